// Package gateway is the door for chat clients and operators: WebSocket connections, rooms and their management. It promises that an Ack
// means durable and seen by everyone under the seq that the Ack tells, that every member of a room sees the same records in the same
// order, because all it shows comes from its tail of the log, and that every session that it began in the log it also ends there, as
// long as it lives. It keeps nothing on disk.
package gateway
