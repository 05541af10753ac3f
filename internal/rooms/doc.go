// Package rooms has the projections that every role reads: Directory, what is known of every room (topic rooms, written from the topic
// sessions), and Presence, which gateways live and how many members they hold (topic gateways). Both promise that all readers that have
// applied the same log agree, whatever the order in which concurrent writers' registers arrived: the greatest seq wins a register.
package rooms
