//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// message is what front and keeper tell each other, one JSON object a line. Op
// says which of the other fields count.
type message struct {
	Op     op             `json:"op"`
	Job    *job           `json:"job,omitempty"`
	PID    int            `json:"pid,omitempty"`
	Signal syscall.Signal `json:"signal,omitempty"`
	Status int            `json:"status,omitempty"`
	Text   string         `json:"text,omitempty"`
}

type op string

// From the front to the keeper.
const (
	opJob    op = "job"    // Job: what to do; always the first
	opSignal op = "signal" // Signal: pass it on
	opGo     op = "go"     // the terminal is handed over; let the command begin
)

// From the keeper to the front.
const (
	opSay     op = "say"     // Text: a line for people
	opStarted op = "started" // PID: the command's process and group; waits for opGo
	opStopped op = "stopped" // Signal: what stopped the command
	opExit    op = "exit"    // Status, Text: the tree is dead and the lock released
)

// link is one end of the socket between front and keeper. When the other side
// dies, messages is closed.
type link struct {
	conn     net.Conn
	messages chan message
}

// sendTimeout bounds a send to a process that is stopped and has let its buffer
// fill up.
const sendTimeout = time.Second

func newLink(fd int) (*link, error) {
	file := os.NewFile(uintptr(fd), "link")
	if file == nil {
		return nil, os.ErrInvalid
	}
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	l := &link{conn: conn, messages: make(chan message)}
	go l.receive()
	return l, nil
}

// close ends the link, and waits for what receives from it.
func (l *link) close() {
	_ = l.conn.Close()
	for range l.messages {
	}
}

func (l *link) receive() {
	defer close(l.messages)
	for lines := json.NewDecoder(bufio.NewReader(l.conn)); ; {
		var m message
		if lines.Decode(&m) != nil {
			return
		}
		l.messages <- m
	}
}

// send does not report errors: that the other side is gone is learned from
// messages, in order behind what it said before.
func (l *link) send(m message) {
	line, err := json.Marshal(m)
	if err != nil {
		return
	}
	_ = l.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, _ = l.conn.Write(append(line, '\n'))
}
