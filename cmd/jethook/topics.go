package main

import (
	_ "embed"

	"jethook/cmd/jethook/bench"
	"jethook/cmd/jethook/help"
	"jethook/config"
	"jethook/consume"
	"jethook/consume/admin"
	"jethook/ingest"
	"jethook/ingest/provider"
	"jethook/publish"
)

//go:embed README.md
var commandsManual string

// topics are the pages of the manual.
var topics = []help.Topic{
	{Name: "receive", About: "sources and their options, secrets, duplicates, rejected requests", Folder: "ingest", Text: ingest.Manual},
	{Name: "senders", About: "the table of known senders", Folder: "ingest/provider", Text: provider.Manual},
	{Name: "deliver", About: "signatures, retries, limits, order, what is stuck, recovery, glossary", Folder: "consume", Text: consume.Manual},
	{Name: "api", About: "conventions of the admin API", Folder: "consume/admin", Text: admin.Manual},
	{Name: "nats", About: "subscribing, streams, logins, clusters, disk, encryption", Folder: "publish", Text: publish.Manual},
	{Name: "config", About: "every environment variable", Folder: "config", Text: config.Manual},
	{Name: "commands", About: "the command line, endpoints as code, listen", Folder: "cmd/jethook", Text: commandsManual},
	{Name: "speed", About: "figures, and how to measure them", Folder: "cmd/jethook/bench", Text: bench.Manual},
}
