package main

func Example() {
	main()
	// Output: ran on 1 host; found it running on 2
}
