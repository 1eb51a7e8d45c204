package main

func Example() {
	main()
	// Output: the second term has the larger number: true
}
