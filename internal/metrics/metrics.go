// Package metrics turns structs into Prometheus metrics and serves them with the health of the process.
//
// A metric is one exported field:
//
//	type Metrics struct {
//		Acks   prometheus.Counter     `metric:"splitsync_gateway_acks_total" help:"commands that were acknowledged"`
//		Errors *prometheus.CounterVec `metric:"splitsync_gateway_errors_total" help:"error replies" labels:"code" values:"code=100|101|103"`
//	}
//
// Types: prometheus.Counter, Gauge, Histogram and pointers to their Vecs. Tags: metric (the name), help, labels (joined by commas), values (the
// values that exist from the start at zero, "label=a|b;other=x|y"; every label set is bounded) and buckets (upper bounds of a histogram joined by
// commas, in the unit of the name; without it the library's 5 ms to 10 s).
package metrics

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Registry holds the metrics of a process.
type Registry struct {
	*prometheus.Registry
}

// NewRegistry has the metrics of the Go runtime and of the process, and splitsync_build_info with the version.
func NewRegistry(version string) *Registry {
	r := &Registry{prometheus.NewRegistry()}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "splitsync_build_info", Help: "1, with the version of this process", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), info)
	return r
}

// New fills the fields of m, a pointer to a struct with metric tags (structs in it are looked into), and registers them with every series of the
// values tags at zero. A metric that reg already has with the same name, help and labels is shared, so that several roles in one process can use
// one struct. Its errors are faults of the program.
func New(reg *Registry, m any) error {
	v := reflect.ValueOf(m)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("metrics must be a pointer to a struct, not %T", m)
	}
	return fill(reg, v.Elem())
}

func fill(reg *Registry, v reflect.Value) error {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() {
			continue
		}
		if sf.Tag.Get("metric") == "" {
			if sf.Type.Kind() == reflect.Struct {
				if err := fill(reg, v.Field(i)); err != nil {
					return err
				}
			}
			continue
		}
		d, err := describe(sf)
		if err != nil {
			return err
		}
		c, err := register(reg, d)
		if err != nil {
			return fmt.Errorf("metric %s: %w", d.name, err)
		}
		got := reflect.ValueOf(c)
		if !got.Type().AssignableTo(sf.Type) {
			return fmt.Errorf("metric %s: registered before as another type", d.name)
		}
		v.Field(i).Set(got)
	}
	return nil
}

// description is what the tags of a field say.
type description struct {
	name, help string
	kind       string // counter, gauge, histogram
	vec        bool
	labels     []string
	values     [][]string // a label; nil: not known at the start
	buckets    []float64
}

func describe(sf reflect.StructField) (description, error) {
	d := description{name: sf.Tag.Get("metric"), help: sf.Tag.Get("help")}
	switch sf.Type {
	case reflect.TypeFor[prometheus.Counter]():
		d.kind = "counter"
	case reflect.TypeFor[*prometheus.CounterVec]():
		d.kind, d.vec = "counter", true
	case reflect.TypeFor[prometheus.Gauge]():
		d.kind = "gauge"
	case reflect.TypeFor[*prometheus.GaugeVec]():
		d.kind, d.vec = "gauge", true
	case reflect.TypeFor[prometheus.Histogram]():
		d.kind = "histogram"
	case reflect.TypeFor[*prometheus.HistogramVec]():
		d.kind, d.vec = "histogram", true
	default:
		return d, fmt.Errorf("metric %s: type %s is not known", d.name, sf.Type)
	}
	if d.help == "" {
		return d, fmt.Errorf("metric %s: no help", d.name)
	}
	if s := sf.Tag.Get("labels"); s != "" {
		d.labels = strings.Split(s, ",")
	}
	if d.vec != (len(d.labels) > 0) {
		return d, fmt.Errorf("metric %s: labels belong to Vec types, and to all of them", d.name)
	}
	if err := d.readValues(sf.Tag.Get("values")); err != nil {
		return d, err
	}
	return d, d.readBuckets(sf.Tag.Get("buckets"))
}

func (d *description) readValues(tag string) error {
	d.values = make([][]string, len(d.labels))
	if tag == "" {
		return nil
	}
	for part := range strings.SplitSeq(tag, ";") {
		label, list, ok := strings.Cut(part, "=")
		at := -1
		for i, l := range d.labels {
			if l == label {
				at = i
			}
		}
		if !ok || at < 0 {
			return fmt.Errorf("metric %s: values %q name no label of it", d.name, part)
		}
		d.values[at] = strings.Split(list, "|")
	}
	return nil
}

func (d *description) readBuckets(tag string) error {
	if tag == "" {
		return nil
	}
	for s := range strings.SplitSeq(tag, ",") {
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return fmt.Errorf("metric %s: bucket %q", d.name, s)
		}
		d.buckets = append(d.buckets, f)
	}
	return nil
}

// register makes the collector, or finds the one that reg has.
func register(reg *Registry, d description) (prometheus.Collector, error) {
	c := d.collector()
	if err := reg.Register(c); err != nil {
		var have prometheus.AlreadyRegisteredError
		if !errors.As(err, &have) {
			return nil, err
		}
		c = have.ExistingCollector
	}
	for _, values := range d.series() {
		touch(c, values)
	}
	return c, nil
}

func (d description) collector() prometheus.Collector {
	switch d.kind {
	case "counter":
		o := prometheus.CounterOpts{Name: d.name, Help: d.help}
		if d.vec {
			return prometheus.NewCounterVec(o, d.labels)
		}
		return prometheus.NewCounter(o)
	case "gauge":
		o := prometheus.GaugeOpts{Name: d.name, Help: d.help}
		if d.vec {
			return prometheus.NewGaugeVec(o, d.labels)
		}
		return prometheus.NewGauge(o)
	}
	o := prometheus.HistogramOpts{Name: d.name, Help: d.help, Buckets: d.buckets}
	if d.vec {
		return prometheus.NewHistogramVec(o, d.labels)
	}
	return prometheus.NewHistogram(o)
}

// series are the label values that exist from the start: the product over the labels, or nothing when the values of one are not known.
func (d description) series() [][]string {
	if !d.vec {
		return nil
	}
	out := [][]string{nil}
	for _, values := range d.values {
		var next [][]string
		for _, head := range out {
			for _, v := range values {
				next = append(next, append(head[:len(head):len(head)], v))
			}
		}
		out = next
	}
	return out
}

// touch makes a series exist at zero.
func touch(c prometheus.Collector, values []string) {
	switch c := c.(type) {
	case *prometheus.CounterVec:
		c.WithLabelValues(values...)
	case *prometheus.GaugeVec:
		c.WithLabelValues(values...)
	case *prometheus.HistogramVec:
		c.WithLabelValues(values...)
	}
}
