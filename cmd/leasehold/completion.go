package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagValues are the values of flags that have only a few.
var flagValues = map[string][]cobra.Completion{"grace": {"on", "off"}}

// completeFlags lets shells offer the values that a flag can have, and files only to
// the one that takes a file.
func completeFlags(root *cobra.Command) {
	offer := func(cmd *cobra.Command) func(*pflag.Flag) {
		return func(f *pflag.Flag) {
			if f.Name == "db-file" {
				return
			}
			choose := cobra.FixedCompletions(flagValues[f.Name], cobra.ShellCompDirectiveNoFileComp)
			_ = cmd.RegisterFlagCompletionFunc(f.Name, choose) // fails for flags that cmd lacks
		}
	}
	root.PersistentFlags().VisitAll(offer(root))
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(offer(cmd))
	}
}

// noFiles is for subcommands whose arguments are names, or which have none.
func noFiles(cmds ...*cobra.Command) {
	for _, cmd := range cmds {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
}
