// The original's way in Go: each decision walks all roles and gets each expression from one cache of
// 2,000 behind a mutex. `precompiled` keeps every expression instead. Standard library only.
package main

import (
	"container/list"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

type pattern struct{ Source string }

type role struct {
	Labels map[string][]pattern
	Tools  []pattern
}

type app struct{ Labels map[string]string }

type ask struct {
	App  int
	Tool string
}

type input struct {
	Mode     string
	Scenario string
	Millis   int
	Allow    []role
	Deny     role
	Apps     []app
	Asks     []ask
}

type cache struct {
	mutex sync.Mutex
	limit int
	order *list.List
	items map[string]*list.Element
}

type entry struct {
	key string
	re  *regexp.Regexp
}

func (c *cache) get(source string) *regexp.Regexp {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if element, ok := c.items[source]; ok {
		c.order.MoveToFront(element)
		return element.Value.(*entry).re
	}
	expression := source
	if !strings.HasPrefix(source, "^") || !strings.HasSuffix(source, "$") {
		quoted := strings.ReplaceAll(regexp.QuoteMeta(source), `\*`, "(.*)")
		expression = "^" + quoted + "$"
	}
	re := regexp.MustCompile(expression)
	c.items[source] = c.order.PushFront(&entry{source, re})
	if c.order.Len() > c.limit {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.items, last.Value.(*entry).key)
	}
	return re
}

func (c *cache) any(patterns []pattern, text string) bool {
	for _, p := range patterns {
		if c.get(p.Source).MatchString(text) {
			return true
		}
	}
	return false
}

func (c *cache) fits(r *role, labels map[string]string, tool string) bool {
	for key, values := range r.Labels {
		if !c.any(values, labels[key]) {
			return false
		}
	}
	return c.any(r.Tools, tool)
}

func (c *cache) decide(in *input, a ask) bool {
	labels := in.Apps[a.App].Labels
	if c.any(in.Deny.Tools, a.Tool) {
		return false
	}
	for i := range in.Allow {
		if c.fits(&in.Allow[i], labels, a.Tool) {
			return true
		}
	}
	return false
}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	limit := 2000
	if in.Mode == "precompiled" {
		limit = 1 << 30
	}
	c := &cache{limit: limit, order: list.New(), items: map[string]*list.Element{}}
	verdicts := make([]byte, len(in.Asks))
	for i, a := range in.Asks {
		verdicts[i] = '0'
		if c.decide(&in, a) {
			verdicts[i] = '1'
		}
	}
	count := 0
	start := time.Now()
	for time.Since(start) < time.Duration(in.Millis)*time.Millisecond {
		for n := 0; n < 64; n++ {
			c.decide(&in, in.Asks[count%len(in.Asks)])
			count++
		}
	}
	elapsed := time.Since(start)
	fmt.Printf(`{"nanos": %f, "verdicts": %q}`+"\n",
		float64(elapsed.Nanoseconds())/float64(count), verdicts)
}
