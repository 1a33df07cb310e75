package main

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// observer counts and logs requests.
type observer struct {
	log      *slog.Logger
	metrics  *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	running  prometheus.Gauge
}

func newObserver(log *slog.Logger) *observer {
	o := &observer{
		log:     log,
		metrics: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "modelregistry_http_requests_total", Help: "Requests answered."}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "modelregistry_http_request_seconds", Help: "Time from a request's header to the end of its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}, []string{"route", "method"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "modelregistry_http_bytes_total", Help: "Bytes of bodies."}, []string{"direction"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "modelregistry_http_requests_running", Help: "Requests being answered."}),
	}
	o.metrics.MustRegister(o.requests, o.seconds, o.bytes, o.running,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return o
}

// handler answers with the metrics in Prometheus's text format.
func (o *observer) handler() http.Handler {
	return promhttp.HandlerFor(o.metrics, promhttp.HandlerOpts{})
}

// wrap observes what next answers.
func (o *observer) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		o.running.Inc()
		defer o.running.Dec()
		who := new(string)
		r = r.WithContext(context.WithValue(r.Context(), whoKey{}, who))
		answer := &observed{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			took := time.Since(start)
			route := route(r.Pattern)
			method := r.Method
			if route == "" { // anybody can make up methods and paths
				route, method = "none", "any"
			}
			o.requests.WithLabelValues(route, method, strconv.Itoa(answer.status)).Inc()
			o.seconds.WithLabelValues(route, method).Observe(took.Seconds())
			o.bytes.WithLabelValues("out").Add(float64(answer.written))
			if r.ContentLength > 0 {
				o.bytes.WithLabelValues("in").Add(float64(r.ContentLength))
			}
			level := slog.LevelInfo
			if answer.status >= 500 && answer.status != http.StatusNotImplemented {
				level = slog.LevelError
			}
			o.log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", answer.status,
				"bytes", answer.written, "took", took.Round(time.Microsecond).String(), "from", r.RemoteAddr, "who", *who)
		}()
		next.ServeHTTP(answer, r)
	})
}

// whoKey is of a request's context: where to say who makes it.
type whoKey struct{}

// remembered is authenticate, and lets the log say who it was.
func remembered(authenticate func(*http.Request) (string, error)) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) {
		name, err := authenticate(r)
		if who, ok := r.Context().Value(whoKey{}).(*string); ok && err == nil {
			*who = name
		}
		return name, err
	}
}

// route is a ServeMux pattern without its method; "" of what nobody registered.
func route(pattern string) string {
	_, path, ok := strings.Cut(pattern, " ")
	if !ok || path == "/" {
		return ""
	}
	return path
}

// observed remembers what was answered.
type observed struct {
	http.ResponseWriter
	status  int
	written int64
	begun   bool
}

func (o *observed) WriteHeader(status int) {
	if !o.begun && status >= 200 {
		o.status, o.begun = status, true
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(p []byte) (int, error) {
	o.begun = true
	n, err := o.ResponseWriter.Write(p)
	o.written += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }
