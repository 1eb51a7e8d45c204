package main

func Example() {
	main()
	// Output:
	// changed document 7
	// stopped: <nil>
}
