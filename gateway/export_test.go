package gateway

// BreakTail makes the tails of a room's partition end with a fault.
func (s *Server) BreakTail(room string, err error) { s.hub.find(room).cancel(err) }
