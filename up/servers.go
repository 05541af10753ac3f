package up

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"splitsync/gateway"
	"splitsync/internal/devstack"
)

// servers are what up embeds: both, one, or none.
type servers struct {
	log    *slog.Logger
	cfg    devstack.ClickHouseConfig
	broker *devstack.Broker

	mu         sync.Mutex
	clickhouse *devstack.ClickHouse
}

// startServers starts the servers that the user did not name, on the data in dir.
func startServers(ctx context.Context, cfg Config, dir *devstack.DataDir, log *slog.Logger, say func(string)) (_ *servers, err error) {
	s := &servers{log: log}
	defer func() {
		if err != nil {
			s.stop(ctx)
		}
	}()
	if cfg.ownKafka {
		s.broker, err = devstack.StartBroker(devstack.BrokerConfig{
			DataDir: dir.Path("kafka"), Port: cfg.Embedded.KafkaPort, Fsync: cfg.Embedded.Fsync,
		}, log)
		if err != nil {
			return nil, err
		}
	}
	if cfg.ownClickHouse {
		s.cfg = devstack.ClickHouseConfig{
			DataDir: dir.Path("clickhouse"), Binary: cfg.Embedded.ClickHouseBin, CacheDir: cfg.Embedded.CacheDir, Fsync: cfg.Embedded.Fsync,
			TCPPort: cfg.Embedded.ClickHouseTCP, HTTPPort: cfg.Embedded.ClickHouseHTTP,
		}
		if err := devstack.Prepare(ctx, s.cfg, say); err != nil {
			return nil, err
		}
		if s.clickhouse, err = devstack.StartClickHouse(ctx, s.cfg, log); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// watch starts ClickHouse again when it dies, until ctx ends. Meanwhile the roles wait for it.
func (s *servers) watch(ctx context.Context) error {
	for s.clickhouse != nil {
		select {
		case <-ctx.Done():
			return nil
		case <-s.child().Done():
		}
		if ctx.Err() != nil {
			return nil
		}
		s.log.Error("embedded clickhouse has ended, starting it again", "error", fmt.Sprint(s.child().Err()))
		next, err := devstack.StartClickHouse(ctx, s.cfg, s.log)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("start clickhouse again: %w", err)
		}
		s.mu.Lock()
		s.clickhouse = next
		s.mu.Unlock()
	}
	return nil
}

func (s *servers) child() *devstack.ClickHouse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clickhouse
}

// stop ends both, also after ctx has ended. A ClickHouse that takes too long is killed, which loses nothing: it is no error.
func (s *servers) stop(ctx context.Context) {
	if c := s.child(); c != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			s.log.Warn("embedded clickhouse was killed, what it had acknowledged is on disk", "error", err.Error())
		}
	}
	if s.broker != nil {
		s.broker.Close()
	}
}

// checkFree refuses to start on a disk that is all but full.
func checkFree(dir string, free uint64, log *slog.Logger) error {
	const least = 128 << 20
	switch {
	case free < least:
		return fmt.Errorf("%s has %d MiB of free disk, splitsync needs 1 GiB: make room, or set DATA_DIR to a folder on another disk", dir, free>>20)
	case free < gateway.MinFreeBytes:
		log.Warn("less than 1 GiB of disk is free: new messages are refused until there is more", "free_mib", free>>20, "data_dir", dir)
	}
	return nil
}
