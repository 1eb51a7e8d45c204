package hygiene_test

import (
	"regexp"
	"strings"
	"testing"
)

// block is one fenced block of a Markdown file.
type block struct {
	file string
	line int
	lang string
	text string
}

// blocks returns the fenced blocks of all Markdown files, and prose what is
// left of each file.
func blocks(t *testing.T) (fenced []block, prose map[string]string) {
	prose = map[string]string{}
	for _, file := range files(t, ".md") {
		open := false
		var rest strings.Builder
		for i, line := range strings.Split(read(t, file), "\n") {
			lang, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
			switch {
			case fence && open:
				open = false
			case fence:
				open = true
				fenced = append(fenced, block{file: file, line: i + 1, lang: lang})
			case open:
				fenced[len(fenced)-1].text += line + "\n"
			default:
				rest.WriteString(line + "\n")
			}
		}
		if open {
			t.Errorf("%s: a fenced block does not end", file)
		}
		prose[file] = rest.String()
	}
	return fenced, prose
}

var (
	heading    = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInSlugs = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns what links may name within a Markdown text.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		slug := notInSlugs.ReplaceAllString(strings.ToLower(match[1]), "")
		found[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return found
}
