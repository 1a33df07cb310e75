package modelregistry

import (
	"fmt"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strings"
)

// Serving says how a version is to be served: what Vertex AI, SageMaker or a cluster want to know of it. All of it is
// optional.
type Serving struct {
	// Image is the container image, by tag or digest: "registry.example.com/team/server:1.2", "…@sha256:…".
	Image string `json:"image,omitempty"`
	Ports []int  `json:"ports,omitempty"` // that the container listens on
	// ContentTypes and ResponseTypes are the media types of requests and answers: "application/json".
	ContentTypes  []string `json:"content_types,omitempty"`
	ResponseTypes []string `json:"response_types,omitempty"`
	// InstanceTypes are the machines that it may run on, as the provider calls them: "ml.m5.large", "n1-standard-4".
	InstanceTypes []string `json:"instance_types,omitempty"`
	// Environment are the container's variables. Secrets are refused: everyone who can read the registry would have them.
	Environment  map[string]string `json:"environment,omitempty"`
	Resources    Resources         `json:"resources,omitzero"`
	PredictRoute string            `json:"predict_route,omitempty"` // the path of requests: "/predict"
	HealthRoute  string            `json:"health_route,omitempty"`  // the path that says whether it is well: "/health"
}

// Resources are what one instance of a version needs. Zero is not said.
type Resources struct {
	MilliCPU int   `json:"milli_cpu,omitempty"` // thousandths of a processor
	Memory   int64 `json:"memory,omitempty"`    // bytes
	GPUs     int   `json:"gpus,omitempty"`
}

const maxServingText = 1000

var (
	// imageRE is the reference grammar of container registries: host with port, path, tag, digest.
	imageRE = regexp.MustCompile(`^(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?))*(?::[0-9]{1,5})?/)?` +
		`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*` +
		`(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`)
	instanceRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	variableRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	routeRE    = regexp.MustCompile(`^/[A-Za-z0-9._~!$&'()*+,;=:@%/{}-]*$`)
)

// Check says whether s can be registered: ErrInvalid with the reason if not.
func (s *Serving) Check() error {
	for _, check := range []func() error{s.checkContainer, s.checkTypes, s.checkEnvironment} {
		if err := check(); err != nil {
			return fmt.Errorf("serving: %w", err)
		}
	}
	return nil
}

func (s *Serving) checkContainer() error {
	if s.Image != "" && (len(s.Image) > maxServingText || !imageRE.MatchString(s.Image)) {
		return fmt.Errorf("container image %.200q: %w: not a reference such as registry.example.com/team/server:1.2 or …@sha256:…", s.Image, ErrInvalid)
	}
	seen := map[int]bool{}
	for _, port := range s.Ports {
		switch {
		case port < 1 || port > 65535:
			return fmt.Errorf("port %d: %w: ports are from 1 to 65535", port, ErrInvalid)
		case seen[port]:
			return fmt.Errorf("port %d: %w: it is there twice", port, ErrInvalid)
		}
		seen[port] = true
	}
	for what, route := range map[string]string{"predict": s.PredictRoute, "health": s.HealthRoute} {
		if route != "" && (len(route) > maxServingText || !routeRE.MatchString(route)) {
			return fmt.Errorf("%s route %.200q: %w: not a path such as /%[1]s", what, route, ErrInvalid)
		}
	}
	r := s.Resources
	if r.MilliCPU < 0 || r.Memory < 0 || r.GPUs < 0 {
		return fmt.Errorf("resources: %w: less than nothing of something: %+v", ErrInvalid, r)
	}
	return nil
}

func (s *Serving) checkTypes() error {
	if n := max(len(s.ContentTypes), len(s.ResponseTypes), len(s.InstanceTypes), len(s.Environment), len(s.Ports)); n > maxEntries {
		return fmt.Errorf("%w: %d entries in one list, at most %d", ErrInvalid, n, maxEntries)
	}
	for _, list := range [][]string{s.ContentTypes, s.ResponseTypes} {
		for i, t := range list {
			media, _, err := mime.ParseMediaType(t)
			if main, sub, slash := strings.Cut(media, "/"); err != nil || !slash || main == "" || sub == "" || len(t) > maxServingText {
				return fmt.Errorf("media type %.200q: %w: not one such as application/json", t, ErrInvalid)
			}
			if slices.Contains(list[:i], t) {
				return fmt.Errorf("media type %q: %w: it is there twice", t, ErrInvalid)
			}
		}
	}
	for i, t := range s.InstanceTypes {
		if !instanceRE.MatchString(t) {
			return fmt.Errorf("instance type %.200q: %w: letters, digits, dots, dashes and underscores, such as ml.m5.large", t, ErrInvalid)
		}
		if slices.Contains(s.InstanceTypes[:i], t) {
			return fmt.Errorf("instance type %q: %w: it is there twice", t, ErrInvalid)
		}
	}
	return nil
}

func (s *Serving) checkEnvironment() error {
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		value := s.Environment[name]
		if len(name) > maxKey || !variableRE.MatchString(name) {
			return fmt.Errorf("environment variable %.200q: %w: letters, digits and underscores, not beginning with a digit", name, ErrInvalid)
		}
		if err := checkText("value of environment variable "+name, value, maxTagValue); err != nil {
			return err
		}
		if value != "" && (secretName(name) || maskValue(value) != value) {
			return fmt.Errorf("environment variable %s: %w: it looks like a secret, which everyone who reads the registry would have; leave it out, and give it to the container from where secrets are kept", name, ErrInvalid)
		}
	}
	return nil
}
