package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/config"
	"jethook/config/keyring"
	"jethook/publish/backup"
	"jethook/publish/failure"
	"jethook/publish/stores"
)

func backupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Copy everything that is stored into one file, while Jethook runs",
		Long: "Copy everything that is stored into one file, while Jethook runs or is stopped: events, waiting deliveries, dead letters, the history, endpoints, and " +
			"consumers. - means standard output. The file gets its name once it is complete, and only its owner can read it. It contains bodies in plain text " +
			"even if JETHOOK_ENCRYPTION_KEY is set, but then endpoints stay encrypted with that key. It contains neither settings nor admin tokens.",
		Example: `  jethook backup jethook.backup
  jethook backup - | age -r age1... > jethook.backup.age`,
		Args: cli.ExactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load()
			if err != nil {
				return err
			}
			store, err := stores.Open(cmd.Context(), cfg, quietLogger(cmd))
			if err != nil {
				return err
			}
			defer store.Close()
			return writeBackup(cmd, store, args[0])
		},
	}
}

// quietLogger is for commands that do one thing with a store: only what goes wrong is worth a line.
func quietLogger(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func backupOptions(cmd *cobra.Command) backup.Options {
	return backup.Options{Version: version(), Progress: func(format string, values ...any) {
		fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", values...)
	}}
}

// writeBackup writes a backup to a file, which has its name once it is whole and on the disk.
func writeBackup(cmd *cobra.Command, store *stores.Store, path string) (err error) {
	if path == "-" {
		return writeBackupTo(cmd, store, cmd.OutOrStdout())
	}
	return backup.ToFile(path, func(f io.Writer) error { return writeBackupTo(cmd, store, f) })
}

func writeBackupTo(cmd *cobra.Command, store *stores.Store, w io.Writer) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	m, err := backup.Write(cmd.Context(), store, buffered, backupOptions(cmd))
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "backed up %s\n", summary(m))
	return nil
}

// summary says what a backup holds.
func summary(m *backup.Manifest) string {
	var messages uint64
	var size int64
	for _, s := range m.Streams {
		messages += s.Messages
	}
	for _, p := range m.Parts {
		size += p.Bytes
	}
	return fmt.Sprintf("%s in %s, %d bytes, of %s", cli.Counted(messages, "message"), cli.Counted(len(m.Streams), "stream"), size, m.Began.Format("2006-01-02 15:04:05Z07:00"))
}

func restoreCommand() *cobra.Command {
	var check, yes bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Restore a backup, while Jethook is stopped",
		Long: "Restore a backup to JETHOOK_DATA_DIR, or to the cluster at JETHOOK_NATS_URL with JETHOOK_REPLICAS. Stop all Jethook processes first. - means " +
			"standard input. JETHOOK_ENCRYPTION_KEY must contain the key that the backup was made with, if there was one. If streams already exist, " +
			"the command asks before it replaces them. If it is killed, Jethook does not start until you have run it again.",
		Example: `  jethook restore --check jethook.backup
  jethook restore jethook.backup
  JETHOOK_NATS_URL=nats://nats:4222 JETHOOK_REPLICAS=3 jethook restore jethook.backup`,
		Args: cli.ExactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkBackup(cmd, args[0], check); err != nil || check {
				return err
			}
			return restoreBackup(cmd, args[0], yes)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "only read the backup, and say whether it is complete")
	cmd.Flags().BoolVar(&yes, "yes", false, "replace existing streams without asking")
	return cmd
}

// openBackup opens a backup to read it.
func openBackup(cmd *cobra.Command, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the backup: %w", err)
	}
	return f, nil
}

// checkBackup reads a backup through. What comes from stdin can be read only once, so before a restore it is not.
func checkBackup(cmd *cobra.Command, path string, say bool) error {
	if path == "-" && !say {
		return nil
	}
	in, err := openBackup(cmd, path)
	if err != nil {
		return err
	}
	defer in.Close()
	m, err := backup.Verify(bufio.NewReaderSize(in, 1<<20))
	if err != nil {
		return fmt.Errorf("reading the backup: %w", err)
	}
	if say {
		fmt.Fprintf(cmd.OutOrStdout(), "whole: %s\n", summary(m))
	}
	return nil
}

func restoreBackup(cmd *cobra.Command, path string, force bool) error {
	ctx := cmd.Context()
	cfg, err := config.Load()
	if err != nil {
		return err
	}
	keys, err := keyring.New(cfg.EncryptionKeys)
	if err != nil {
		return err
	}
	target, err := beginRestore(ctx, cmd, cfg, path, force)
	if err != nil {
		return err
	}
	defer target.Close()
	var m *backup.Manifest
	o := backupOptions(cmd)
	restore := func() error {
		in, err := openBackup(cmd, path)
		if err != nil {
			return err
		}
		defer in.Close()
		m, err = backup.Restore(ctx, target, keys, bufio.NewReaderSize(in, 1<<20), o)
		return err
	}
	if path == "-" { // it can be read once
		err = restore()
	} else {
		err = target.Attempt(ctx, o.Progress, restore)
	}
	if err == nil {
		err = target.Finish(ctx)
	}
	if err != nil {
		return fmt.Errorf("restoring, which is not finished: %w", err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "restored %s\n", summary(m))
	return nil
}

func beginRestore(ctx context.Context, cmd *cobra.Command, cfg *config.Config, path string, force bool) (*stores.Restoring, error) {
	log := quietLogger(cmd)
	target, err := stores.BeginRestore(ctx, cfg, backup.Streams(), force, log)
	if !errors.Is(err, failure.ErrOccupied) {
		return target, err
	}
	if path == "-" { // it is no answer
		return nil, cli.Usagef("%w; pass --yes to confirm", err)
	}
	if err := cli.Confirm(cmd, err.Error()+". Replace them?"); err != nil {
		return nil, err
	}
	return stores.BeginRestore(ctx, cfg, backup.Streams(), true, log)
}
