package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) listSlots(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	items, err := s.cfg.Vault.Slots(rq.ctx(), rq.who())
	return api.Slots{Items: items}, err
}

func (s *Server) addSlot(rq *request) (any, error) {
	want, err := bodyOf[api.SlotAdd](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.AddSlot(rq.ctx(), rq.who(), want)
}

func (s *Server) removeSlot(rq *request) (any, error) {
	id, err := rq.id()
	if err != nil {
		return nil, err
	}
	want, err := decode[api.SlotRemove](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.RemoveSlot(rq.ctx(), rq.who(), id, want)
}
