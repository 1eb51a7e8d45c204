package pglock_test

func child() error { return nil }
