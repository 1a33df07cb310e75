package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/mlflow"
	"github.com/modelregistry-go/modelregistry/webhook"
)

// serveFlags are those of serve.
type serveFlags struct {
	store           storeFlags
	listen          string
	tokens          string
	maxConnections  int
	cert, key       string
	hosts, origins  string
	webhookKey      string
	privateWebhooks bool
	plainSearch     bool
	jsonLog         bool
	quiet           bool
}

const (
	headerTime   = 10 * time.Second // for a request's header
	idleTime     = 2 * time.Minute  // of a connection between requests
	shutdownTime = 30 * time.Second // for requests under way when the server is told to stop
	maxHeader    = 64 << 10
)

// serve answers MLflow clients until ctx ends.
func serve(ctx context.Context, args []string, std streams) (err error) {
	var f serveFlags
	set := flags("serve", std)
	f.store.add(set)
	set.StringVar(&f.listen, "listen", "127.0.0.1:5000", "the `address` to listen at; port 0 is any that is free")
	set.StringVar(&f.tokens, "tokens", "", "a `file` of bearer tokens, for its owner alone, a line each: name token, or: name token read; a SIGHUP makes the server read it anew")
	set.IntVar(&f.maxConnections, "max-connections", 1000, "the `number` of connections at once, and no more than the files that the process may open allow")
	set.StringVar(&f.cert, "tls-cert", "", "a `file` with the certificate chain in PEM; with --tls-key the server speaks HTTPS")
	set.StringVar(&f.key, "tls-key", "", "a `file` with the certificate's private key in PEM")
	set.StringVar(&f.hosts, "allowed-hosts", "", "`names`, separated by commas, that clients may call the server by besides localhost and private addresses; * is any")
	set.StringVar(&f.origins, "allowed-origins", "", "web `origins`, separated by commas, whose pages may read and change something")
	set.StringVar(&f.webhookKey, "webhook-key", "", "a `file` with the key that seals webhooks' secrets (default webhook.key below --data, made if it is not there)")
	set.BoolVar(&f.plainSearch, "plain-search", false, "leave aliases out of what model-versions/search finds, as MLflow does: mlflow-export-import cannot take them")
	set.BoolVar(&f.privateWebhooks, "private-webhooks", false, "let webhooks go to private addresses, and over plain HTTP")
	set.BoolVar(&f.jsonLog, "log-json", false, "log in JSON")
	set.BoolVar(&f.quiet, "quiet", false, "log only what goes wrong")
	if err := parse(set, args); err != nil {
		return err
	}
	if (f.cert == "") != (f.key == "") {
		return errors.New("--tls-cert and --tls-key come together")
	}
	if f.maxConnections < 1 {
		return errors.New("--max-connections is at least 1")
	}
	log := f.logger(std)
	opts, tokens, err := f.options(log)
	if err != nil {
		return err
	}
	reg, closeAll, err := f.store.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	listener, scheme, err := f.listener(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(std.out, "MLFLOW_TRACKING_URI=%s://%s\n", scheme, visible(listener.Addr())); err != nil {
		return errors.Join(err, listener.Close())
	}
	if opts.Authenticate == nil && !isLoopback(listener.Addr()) {
		log.Warn("anybody who reaches this address can change the registry; see --tokens", "address", listener.Addr().String())
	}
	if opts.Authenticate != nil && f.cert == "" && !isLoopback(listener.Addr()) {
		log.Warn("tokens come over plain HTTP, which who is on the way can read: see --tls-cert, or let a proxy that speaks HTTPS "+
			"alone reach this address", "address", listener.Addr().String())
	}
	defer reloadOnHangup(ctx, tokens, log)()
	hooks := &webhook.Options{Logger: log, Open: opts.Secrets.Open, AllowPrivate: f.privateWebhooks, AllowHTTP: f.privateWebhooks}
	opts.Webhooks = webhook.New(reg, hooks)
	stopHooks := deliver(ctx, reg, hooks, log)
	defer stopHooks()
	return f.answer(ctx, listener, reg, opts, log)
}

func (f *serveFlags) logger(std streams) *slog.Logger {
	level := slog.LevelInfo
	if f.quiet {
		level = slog.LevelWarn
	}
	if f.jsonLog {
		return slog.New(slog.NewJSONHandler(std.err, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: level}))
}

// options are those of the handler.
func (f *serveFlags) options(log *slog.Logger) (*mlflow.Options, *tokenFile, error) {
	opts := &mlflow.Options{Logger: log, AllowedHosts: list(f.hosts), AllowedOrigins: list(f.origins), PlainSearch: f.plainSearch}
	var tokens *tokenFile
	if f.tokens != "" {
		var err error
		if tokens, err = openTokens(f.tokens); err != nil {
			return nil, nil, err
		}
		opts.Authenticate, opts.Authorize = remembered(tokens.authenticate), tokens.authorize
	}
	path := f.webhookKey
	if path == "" {
		dir, err := f.store.directory()
		if err != nil {
			return nil, nil, err
		}
		path = dir + string(os.PathSeparator) + "webhook.key"
	}
	key, err := webhookKey(path, f.webhookKey == "")
	if err != nil {
		return nil, nil, err
	}
	opts.Secrets, err = webhook.NewSealer(key)
	return opts, tokens, err
}

// list splits what commas separate; nil if there is nothing.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func (f *serveFlags) listener(ctx context.Context) (l net.Listener, scheme string, err error) {
	var certificate tls.Certificate
	if f.cert != "" {
		if certificate, err = tls.LoadX509KeyPair(f.cert, f.key); err != nil {
			return nil, "", fmt.Errorf("certificate: %w", err)
		}
	}
	if l, err = new(net.ListenConfig).Listen(ctx, "tcp", f.listen); err != nil {
		return nil, "", err
	}
	if f.cert == "" {
		return l, "http", nil
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	return tls.NewListener(l, config), "https", nil
}

// visible is where clients on this machine find what listens at addr.
func visible(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func isLoopback(addr net.Addr) bool {
	host, _, err := net.SplitHostPort(addr.String())
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// deliver tells webhooks of changes until the function it returns is called.
func deliver(ctx context.Context, reg modelregistry.Registry, hooks *webhook.Options, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := webhook.Run(ctx, reg, hooks)
		if err != nil && ctx.Err() == nil {
			log.Error("webhooks are no longer told of changes", "error", err)
		}
	}()
	return func() { cancel(); <-done }
}

// answer serves until ctx ends, and then lets requests under way end.
func (f *serveFlags) answer(ctx context.Context, l net.Listener, reg modelregistry.Registry, opts *mlflow.Options, log *slog.Logger) error {
	o := newObserver(log)
	opts.Metrics = o.handler()
	server := &http.Server{
		Handler: o.wrap(mlflow.Handler(reg, opts)), ConnState: newConnections(affordable(f.maxConnections, descriptors())).changed,
		ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping; requests under way have time to end", "at most", shutdownTime.String())
	signal.Reset() // a second signal ends the program at once
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(patient); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}
