package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A readyGate is one of those below. What is wrong with its arguments is told by New.
type readyGate struct {
	name string
	err  error
	// stagesOnly: it says nothing about aliases.
	stagesOnly bool
	check      func(view *GateView) (Verdict, error)
}

func (g *readyGate) Check(_ context.Context, view *GateView) (Verdict, error) { return g.check(view) }
func (g *readyGate) String() string                                           { return g.name }
func (g *readyGate) Invalid() error                                           { return g.err }

// MetricAtLeast lets versions pass whose metric is least or more. One that lacks the metric does not pass. The gate is
// called "accuracy >= 0.95".
func MetricAtLeast(metric string, least float64) Gate {
	return metricLimit(metric, ">=", least, func(value float64) bool { return value >= least })
}

// MetricAtMost lets versions pass whose metric is most or less. One that lacks the metric does not pass. The gate is
// called "loss <= 0.1".
func MetricAtMost(metric string, most float64) Gate {
	return metricLimit(metric, "<=", most, func(value float64) bool { return value <= most })
}

func metricLimit(metric, op string, limit float64, good func(float64) bool) Gate {
	return &readyGate{
		name: fmt.Sprintf("%s %s %v", metric, op, limit),
		err:  errors.Join(checkKey("metric", metric), checkLimit(limit)),
		check: func(view *GateView) (Verdict, error) {
			value, ok := metricOf(view.Candidate, metric)
			if !ok {
				return Refuse("version %d has no metric %q", view.Candidate.Number, metric), nil
			}
			text, _ := brief(value, limit, func(value, _ float64) bool { return good(value) })
			if !good(value) {
				return Refuse("it is %s", text), nil
			}
			return Pass("it is %s", text), nil
		},
	}
}

func checkLimit(limit float64) error {
	if math.IsNaN(limit) {
		return fmt.Errorf("limit of a metric: %w: not a number (NaN), which no metric compares with", ErrInvalid)
	}
	return nil
}

// metricOf is a metric's value, if it is one that compares.
func metricOf(v *Version, metric string) (value float64, ok bool) {
	value, ok = v.Metrics.Lookup(metric)
	return value, ok && !math.IsNaN(value)
}

// MetricNotWorse lets versions pass whose metric is no more than epsilon worse than that of the incumbent, or of which
// there is no incumbent. higherIsBetter says which way is worse. One that lacks the metric does not pass, nor does any if
// the incumbent lacks it. The gate is called "accuracy not worse than the incumbent's by more than 0.01".
func MetricNotWorse(metric string, epsilon float64, higherIsBetter bool) Gate {
	g := &readyGate{
		name: fmt.Sprintf("%s not worse than the incumbent's by more than %v", metric, epsilon),
		err:  errors.Join(checkKey("metric", metric), checkLimit(epsilon)),
	}
	if g.err == nil && (epsilon < 0 || math.IsInf(epsilon, 0)) {
		g.err = fmt.Errorf("epsilon %v: %w: it is how much worse a version may be: 0 or more, and finite", epsilon, ErrInvalid)
	}
	g.check = func(view *GateView) (Verdict, error) {
		value, ok := metricOf(view.Candidate, metric)
		if !ok {
			return Refuse("version %d has no metric %q", view.Candidate.Number, metric), nil
		}
		if view.Incumbent == nil {
			text, _ := brief(value, 0, func(_, _ float64) bool { return true })
			return Pass("it is %s; no other version %s", text, view.target().held()), nil
		}
		other, ok := metricOf(view.Incumbent, metric)
		if !ok {
			return Refuse("version %d, the incumbent, has no metric %q to compare with", view.Incumbent.Number, metric), nil
		}
		good := func(value, other float64) bool { return worseBy(value, other, higherIsBetter) <= epsilon }
		is, was := brief(value, other, good)
		if !good(value, other) {
			return Refuse("it is %s; that of version %d, the incumbent, is %s", is, view.Incumbent.Number, was), nil
		}
		return Pass("it is %s; that of version %d, the incumbent, is %s", is, view.Incumbent.Number, was), nil
	}
	return g
}

// brief writes two numbers for people: with six digits, or with as many more as it takes to come to the same judgement by
// what is written. Whole numbers are written in full.
func brief(a, b float64, good func(a, b float64) bool) (textA, textB string) {
	write := func(f float64, digits int) (string, float64) {
		if f == math.Trunc(f) && math.Abs(f) < 1e15 {
			return strconv.FormatFloat(f, 'f', -1, 64), f
		}
		text := strconv.FormatFloat(f, 'g', digits, 64)
		written, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return strconv.FormatFloat(f, 'g', -1, 64), f // rounded beyond the largest float
		}
		return text, written
	}
	for digits := 6; ; digits++ {
		var writtenA, writtenB float64
		textA, writtenA = write(a, digits)
		textB, writtenB = write(b, digits)
		if digits == 17 || good(writtenA, writtenB) == good(a, b) {
			return textA, textB
		}
	}
}

// worseBy is how much worse value is than other, without what comes from the rounding of decimals: 0.97 is by 0.01 worse
// than 0.98, although the floats differ by more.
func worseBy(value, other float64, higherIsBetter bool) float64 {
	if value == other {
		return 0 // which the difference of infinities is not
	}
	worse := value - other
	if higherIsBetter {
		worse = other - value
	}
	if math.IsInf(worse, 0) {
		return worse
	}
	return worse - 1e-15*max(math.Abs(value), math.Abs(other))
}

// TagPresent lets versions pass that have a tag, with one of the values if any are given. The gate is called "tag
// validated", or "tag validated = yes, partly".
func TagPresent(tag string, values ...string) Gate {
	name := "tag " + tag
	if len(values) > 0 {
		name += " = " + strings.Join(values, ", ")
	}
	return &readyGate{name: name, err: checkKey("tag", tag), check: func(view *GateView) (Verdict, error) {
		value, ok := view.Candidate.Tags.Lookup(tag)
		switch {
		case !ok:
			return Refuse("version %d has no tag %q", view.Candidate.Number, tag), nil
		case len(values) > 0 && !slices.Contains(values, value):
			return Refuse("it is %.100q", value), nil
		}
		return Pass("it is %.100q", value), nil
	}}
}

// MinTimeInStaging lets versions into Production that have been in Staging for so long, and still are. Into Staging it
// lets all. It is in front of stages only: a version that leaves Staging for Production would lose the way to an alias. The
// gate is called "in Staging for 24h0m0s".
func MinTimeInStaging(d time.Duration) Gate {
	g := &readyGate{name: "in Staging for " + d.String(), stagesOnly: true}
	if d <= 0 {
		g.err = fmt.Errorf("time in Staging: %w: %v; it is more than nothing", ErrInvalid, d)
	}
	g.check = func(view *GateView) (Verdict, error) {
		v := view.Candidate
		switch past := view.Time.Sub(v.StageSince); {
		case view.Stage != Production:
			return Pass("it is about Production"), nil
		case v.Stage != Staging:
			return Refuse("version %d is in %s", v.Number, v.Stage), nil
		case past < -clockLeap:
			return Refuse("it came there at %s by a clock that was ahead; move it to None and there again", v.StageSince.Format(time.RFC3339)), nil
		case past < d:
			return Refuse("it has been for %v, since %s", past, v.StageSince.Format(time.RFC3339)), nil
		}
		return Pass("it has been since %s", v.StageSince.Format(time.RFC3339)), nil
	}
	return g
}

// Approvals lets a promotion pass that comes from an approved request (see ApprovalStore) with at least need approvals,
// of approvers if any are given. Promote, Transition and SetAlias do not pass: there is no direct way but a waiver. An approval is
// used up by the promotion that it was given for. A request stays pending until all these gates in front of the stage
// or alias have what they need. The gate is called "2 approvals", or "1 approval of ann, bob".
func Approvals(need int, approvers ...string) Gate {
	g := &approvalGate{need: need, approvers: slices.Clone(approvers)}
	g.name = strconv.Itoa(need) + " approvals"
	if need == 1 {
		g.name = "1 approval"
	}
	if len(approvers) > 0 {
		g.name += " of " + strings.Join(approvers, ", ")
	}
	g.err = checkElectorate(need, approvers)
	g.check = g.judge
	return g
}

type approvalGate struct {
	readyGate
	need      int
	approvers []string
}

// names says whether the approval of an actor counts.
func (g *approvalGate) names(actor string) bool {
	return len(g.approvers) == 0 || slices.Contains(g.approvers, actor)
}

// counts lists those who have approved a request and count.
func (g *approvalGate) counts(q *Request) (names []string) {
	for _, vote := range q.Votes {
		if vote.Approved && g.names(vote.Actor) {
			names = append(names, vote.Actor)
		}
	}
	return names
}

func (g *approvalGate) judge(view *GateView) (Verdict, error) {
	if view.Request == nil {
		return Refuse("only an approved request brings version %d %s", view.Candidate.Number, view.target().into()), nil
	}
	names := g.counts(view.Request)
	list := strings.Join(names[:min(len(names), 10)], ", ")
	if len(names) < g.need {
		return Refuse("%d count: %s", len(names), list), nil
	}
	return Pass("%s", list), nil
}

// FilesVerified lets versions pass whose files all read right to their end. It reads them before the promotion's
// transaction. The gate is called "files verified".
func FilesVerified() Gate { return filesGate{} }

type filesGate struct{}

// filesChecked is what filesGate prepares.
type filesChecked struct {
	count   int
	size    int64
	problem string
}

func (filesGate) String() string { return "files verified" }

func (filesGate) Prepare(ctx context.Context, files Resolver, v *Version) (any, error) {
	var checked filesChecked
	fsys := files.Files(ctx, v)
	list, err := versionFiles(fsys)
	for i := 0; err == nil && i < len(list); i++ {
		var f fs.File
		if f, err = fsys.Open(list[i].Path); err != nil {
			break
		}
		_, err = io.Copy(io.Discard, f) // which compares size and digest
		err = errors.Join(err, f.Close())
		checked.count++
		checked.size += list[i].Size
	}
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotFound) {
		checked.problem, err = err.Error(), nil
	}
	return checked, err
}

func (filesGate) Check(_ context.Context, view *GateView) (Verdict, error) {
	checked, ok := view.Prepared.(filesChecked)
	switch {
	case !ok:
		return Refuse("they were not read"), nil
	case checked.problem != "":
		return Refuse("%s", checked.problem), nil
	}
	return Pass("%d files of %d bytes", checked.count, checked.size), nil
}
