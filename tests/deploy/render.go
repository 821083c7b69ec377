// Renders a chart as `helm template` does, as far as this chart needs it, where there is no helm: the
// same template engine (text/template), the same functions (sprig) and Helm's own include, toYaml, required.
//
//	render CHART RELEASE NAMESPACE VALUES.json   values already merged and checked by ./test
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type files struct{ chart string }

// Get is Helm's .Files.Get: the empty text where there is no such file.
func (f files) Get(name string) string {
	text, err := os.ReadFile(filepath.Join(f.chart, name))
	if err != nil {
		return ""
	}
	return string(text)
}

func main() {
	log.SetFlags(0)
	chart, release, namespace := os.Args[1], os.Args[2], os.Args[3]
	// As Helm has it: the members of Chart.yaml by their Go names.
	var about struct{ Name, Version, AppVersion string }
	text, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	check(err)
	check(yaml.Unmarshal(text, &about))
	var values map[string]interface{}
	text, err = os.ReadFile(os.Args[4])
	check(err)
	check(json.Unmarshal(text, &values))

	all := template.New("chart").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	functions["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	all.Funcs(functions)
	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	check(err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		check(err)
		_, err = all.New(about.Name + "/templates/" + filepath.Base(path)).Parse(string(text))
		check(err)
	}
	for _, path := range paths {
		name := about.Name + "/templates/" + filepath.Base(path)
		data := map[string]interface{}{
			"Values":   values,
			"Chart":    about,
			"Files":    files{chart},
			"Release":  map[string]interface{}{"Name": release, "Namespace": namespace, "Service": "Helm"},
			"Template": map[string]interface{}{"Name": name, "BasePath": about.Name + "/templates"},
		}
		var out bytes.Buffer
		check(all.ExecuteTemplate(&out, name, data))
		if !strings.HasSuffix(path, ".tpl") {
			fmt.Printf("---\n# Source: %s\n%s\n", name, out.String())
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
