package main

func Example() {
	main()
	// Output: ada 800 bob 800 eve 800 failed 0
}
