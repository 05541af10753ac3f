// Package client is the Go client of splitsync's WebSocket protocol: it joins a room, sends with acknowledgement, reads everything in order,
// and after a lost connection resumes where it was and sends unanswered messages again under the same client_msg_id, so that each appears once.
//
// It is made for many connections in one process: a connection has one goroutine while it is quiet and two while it writes, one Dialer serves
// all of them with one timer and shared buffers, and nothing is queued beyond the window of unanswered commands.
//
//	c, err := client.Dial(ctx, client.Options{URL: "http://127.0.0.1:3000", Room: "lobby", User: "ann", Acks: true,
//		OnEvent: func(e client.Event) { … }})
//	ack, err := c.Send(ctx, "hello")
package client
