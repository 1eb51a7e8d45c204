// Command httpserver changes documents under a lock each, and stops without cutting
// anybody off: first the server takes no more requests, then the client waits for
// the locks still in use.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func main() {
	ctx := context.Background()
	client, err := leasehold.Open(ctx, memory.New(), leasehold.Config{})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: handler(client), ReadHeaderTimeout: time.Second}
	go server.Serve(listener)

	fmt.Print(get("http://" + listener.Addr().String() + "/documents/7"))

	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	fmt.Println("stopped:", errors.Join(server.Shutdown(limit), client.Shutdown(limit)))
}

// handler serves each document to one request at a time. A request that cannot have
// it within a second gets a 503, and does not hold up the queue.
func handler(client *leasehold.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /documents/{id}", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		lock, err := client.Acquire(ctx, "document/"+r.PathValue("id"))
		if err != nil {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		defer lock.Close()
		bound, stop := lock.Bind(r.Context()) // ends with the request, and with the lock
		defer stop()
		change(bound, w, r.PathValue("id"))
	})
	return mux
}

func change(ctx context.Context, w io.Writer, id string) {
	if ctx.Err() == nil {
		fmt.Fprintln(w, "changed document", id)
	}
}

func get(url string) string {
	response, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	return string(body)
}
