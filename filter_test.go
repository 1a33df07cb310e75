package modelregistry

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFilterCanonicalForm(t *testing.T) {
	for in, want := range map[string]string{
		"":                                                   "",
		"name = 'm'":                                         "name IN ('m')",
		`name="it's"`:                                        "name IN ('it''s')",
		"name='it''s'":                                       "name IN ('it''s')",
		"attribute.name != 'm'":                              "name NOT IN ('m')",
		"name LIKE 'a%' and run_id iLike '%b'":               "name LIKE 'a%' AND run_id ILIKE '%b'",
		"tag.k = 'v'":                                        "tags.`k` IN ('v')",
		"tags.a.b = 'v'":                                     "tags.`a.b` IN ('v')",
		"tags.`a b:c/d` = 'v'":                               "tags.`a b:c/d` IN ('v')",
		`tags."k" != 'v' AND tag.'k' LIKE 'x'`:               "tags.`k` NOT IN ('v') AND tags.`k` LIKE 'x'",
		"tags.learning-rate = 'v'":                           "tags.`learning-rate` IN ('v')",
		"run_id IN ('a', \"b\",)":                            "run_id IN ('a', 'b')",
		"name not in('a')":                                   "name NOT IN ('a')",
		"name NOT LIKE 'a'":                                  "name NOT LIKE 'a'",
		"version_number>=2 AND version = '3'":                "version_number >= 2 AND version_number IN (3)",
		"stage = 'production'":                               "stage IN ('Production')",
		"alias='a' OR aliases = 'b'":                         "alias IN ('a', 'b')",
		"semver > '1.2' and semver <= 'v1.3.0-rc.1'":         "semver > '1.2.0' AND semver <= '1.3.0-rc.1'",
		"metrics.acc > .5 and metric.loss<-1e-3":             "metrics.`acc` > 0.5 AND metrics.`loss` < -0.001",
		"params.lr <= 0.10 AND param.opt = 'adam'":           "params.`lr` <= 0.1 AND params.`opt` IN ('adam')",
		"params.lr IN (1, 2.5)":                              "params.`lr` IN (1, 2.5)",
		"tags.k IS NULL AND description is not null":         "tags.`k` IS NULL AND description IS NOT NULL",
		"name='a' OR name='b' AND run_id='c'":                "name IN ('a') OR name IN ('b') AND run_id IN ('c')",
		"(name='a' OR name='b') AND run_id='c'":              "name IN ('a', 'b') AND run_id IN ('c')",
		"((name='a'))":                                       "name IN ('a')",
		"name='a' OR run_id='b' OR name='c'":                 "name IN ('a', 'c') OR run_id IN ('b')",
		"NOT name = 'a'":                                     "name NOT IN ('a')",
		"not NOT name = 'a'":                                 "name IN ('a')",
		"NOT (name='a' AND version < 3)":                     "name NOT IN ('a') OR version_number >= 3",
		"NOT (name='a' OR NOT version <= 3)":                 "name NOT IN ('a') AND version_number <= 3",
		"NOT tags.k IS NULL":                                 "tags.`k` IS NOT NULL",
		"NOT name NOT LIKE 'a'":                              "name LIKE 'a'",
		"creation_timestamp > 1700000000123":                 "creation_timestamp > 1700000000123",
		"name IN (" + strings.Repeat("'x', ", 1999) + "'x')": "name IN (" + strings.Repeat("'x', ", 1999) + "'x')",
		"creation_timestamp < 253402300799999":               "creation_timestamp < 253402300799999", // the end of 9999
		"creation_timestamp > '2263-01-01'":                  "creation_timestamp > '2263-01-01'",
		"creation_timestamp > -62135596799999":               "creation_timestamp > -62135596799999",
		"creation_timestamp = '1700000000123'":               "creation_timestamp IN (1700000000123)",
		"created < '2024-05-31T12:00:00+02:00'":              "creation_timestamp < '2024-05-31T10:00:00Z'",
		"timestamp = '2024-05-31'":                           "last_updated_timestamp IN ('2024-05-31')",
		"user_id = 'u' AND actor LIKE 'v'":                   "user_id IN ('u') AND user_id LIKE 'v'",
		"source_path\n=\t's3://b' AND digest = 'sha256:0'":   "source_path IN ('s3://b') AND digest IN ('sha256:0')",
		"tags.`mlflow.prompt.is_prompt` != 'true'":           "tags.`mlflow.prompt.is_prompt` NOT IN ('true')",
		"tags.`a``b` = ''":                                   "tags.`a``b` IN ('')",
	} {
		f, err := parseFilter(&versionSubject, in)
		require.NoError(t, err, in)
		require.Equal(t, want, f.String(), in)
		again, err := parseFilter(&versionSubject, f.String())
		require.NoError(t, err, f.String())
		require.Equal(t, want, again.String())
	}
}

func TestFilterRefuses(t *testing.T) {
	for in, says := range map[string]string{
		" ":                                     "blank",
		"OR":                                    "here stands a field",
		"NOT":                                   `filter at character 4 (its end): invalid: here stands a field`,
		"name = 'a' name = 'b'":                 `filter at character 12 ("name"): invalid: between conditions stands AND or OR`,
		"name = 'a' AND":                        "here stands a field",
		"AND name = 'a'":                        `filter at character 1 ("AND"): invalid: here stands a field`,
		"name = 'a';":                           "this character means nothing here",
		"name = 'a' -- x":                       "not a number",
		"name = 'a' /* x */":                    "this character means nothing here",
		"name = 'a', name = 'b'":                "AND or OR",
		"'x' = name":                            "a value stands on the right",
		"1=1":                                   "a value stands on the right",
		"attributes.name = 'a'":                 "no attributes.; a search for versions knows attribute, tag, tags, param",
		"attr.name = 'a'":                       "no attr.",
		"Tags.k = 'a'":                          "no Tags.",
		"foo = 'x'":                             `no attribute "foo"; versions have name, version_number, stage, alias`,
		"NAME = 'x'":                            `no attribute "NAME"`,
		"tags = 'x'":                            `no attribute "tags"`,
		"`name` = 'x'":                          "the names of attributes are not quoted",
		"attribute.`name` = 'x'":                "the names of attributes are not quoted",
		"tags. k = 'x'":                         "behind tags. stands a name",
		"tags.`` = 'x'":                         "1 to 250 characters",
		"name = something":                      "text is quoted: 'something'",
		"name = `something`":                    "text is quoted by ' or \"",
		"name = 5":                              "name is text, which is quoted: '5'",
		"tags.k = 5":                            "tags.`k` is text, which is quoted: '5'",
		"name":                                  "behind name stands an operator",
		"name =":                                "here stands a value for name",
		"name == 'a'":                           "equality is written =",
		"name <> 'a'":                           "inequality is written !=",
		"name > 'a'":                            "name is text, which is compared by = != LIKE ILIKE IN NOT IN",
		"params.lr > '0.1'":                     "to compare numbers leave out the quotes of '0.1'",
		"metrics.acc > '0.1'":                   "compared with a number, without quotes",
		"metrics.acc LIKE '0%'":                 "is not text",
		"metrics.acc > 1e999":                   "compared with a number",
		"metrics.acc > 1.2.3":                   "this is not a number",
		"metrics.acc > 1e":                      "this is not a number",
		"name IN ()":                            "the list of IN is empty",
		"name IN (1, 2)":                        "is text, which is quoted",
		"name IN 'a'":                           "values in parentheses",
		"name IN ('a'":                          "between the values of a list stand commas",
		"name IN ('a' 'b')":                     "between the values of a list stand commas",
		"name IN (,)":                           "here stands a value",
		"params.k IN ('a', 1)":                  "all text or all numbers",
		"params.k IN (1, 'a')":                  "all text or all numbers",
		"name NOT = 'a'":                        "behind the NOT of a comparison",
		"name IS 'a'":                           "IS NULL or IS NOT NULL",
		"name IS NOT 'a'":                       "IS NULL or IS NOT NULL",
		"name LIKE 5":                           "a pattern is quoted text",
		`name LIKE 'a\'`:                        `does not end in a single \`,
		"version_number LIKE '1%'":              "version_number is not text",
		"version_number = 2.0":                  "whole numbers",
		"version_number = 'x'":                  "whole numbers",
		"version_number > 99999999999999999999": "whole numbers",
		"stage = 'Prod'":                        "None, Staging, Production, Archived",
		"stage < 'Production'":                  "is text",
		"semver > '1.02'":                       "not a semantic version",
		"semver > 1.2":                          "is text, which is quoted",
		"semver LIKE '1%'":                      "is not text",
		"creation_timestamp > 'yesterday'":      "milliseconds since 1970",
		"creation_timestamp > 1e12":             "milliseconds since 1970",
		"creation_timestamp > 9999999999999999999": "milliseconds since 1970",
		"creation_timestamp > 999999999999999":     "milliseconds since 1970",
		"creation_timestamp LIKE 'x'":              "is not text",
		"name = 'a":                                "is never closed",
		"(name = 'a'":                              "a parenthesis is still open",
		"name = 'a')":                              "this parenthesis closes nothing",
		"()":                                       "here stands a field",
		"name = 'a\x00'":                           "NUL",
		"name = '\xff'":                            "UTF-8",
		"name = 'é' x":                             `filter at character 12 ("x")`,
	} {
		_, err := parseFilter(&versionSubject, in)
		require.ErrorIs(t, err, ErrInvalid, in)
		require.ErrorContains(t, err, says, in)
		require.Less(t, len(err.Error()), 600)
	}
	for in, says := range map[string]string{
		"run_id = 'x'":         `no attribute "run_id"; models have name, alias, creation_timestamp, last_updated_timestamp, description, user_id, model_id, and tags.key`,
		"params.x = 'y'":       "no params.; a search for models knows attribute, tag, tags",
		"stage = 'Production'": `no attribute "stage"`,
	} {
		_, err := parseFilter(&modelSubject, in)
		require.ErrorIs(t, err, ErrInvalid, in)
		require.ErrorContains(t, err, says, in)
	}
}

func TestFilterLimits(t *testing.T) {
	for name, in := range map[string]string{
		"a million characters": "name = '" + strings.Repeat("x", 1_000_000) + "'",
		"conditions":           strings.Repeat("name = 'x' AND ", 2000) + "name = 'x'",
		"parentheses":          strings.Repeat("(", 10_000),
		"NOTs":                 strings.Repeat("NOT ", 10_000) + "name = 'x'",
		"values":               "name IN (" + strings.Repeat("'x',", 2001) + "'x')",
		"pattern":              "name LIKE '" + strings.Repeat("%", 2000) + "'",
		"key":                  "tags." + strings.Repeat("k", 2000) + " = 'x'",
		"many small lists":     strings.Repeat("name IN ('a','b','c','d','e','f','g','h','i','j','k','l') OR ", 190) + "name = 'x'",
	} {
		start := time.Now()
		_, err := parseFilter(&versionSubject, in)
		require.ErrorIs(t, err, ErrInvalid, name)
		require.Less(t, len(err.Error()), 600)
		require.Less(t, time.Since(start), time.Second)
	}
	deep := strings.Repeat("(", maxFilterDepth) + "name = 'x'" + strings.Repeat(")", maxFilterDepth)
	_, err := parseFilter(&versionSubject, deep)
	require.NoError(t, err)
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		like, ilike   bool
	}{
		{"", "", true, true},
		{"", "a", false, false},
		{"%", "", true, true},
		{"%", "anything\nat all", true, true},
		{"_", "é", true, true},
		{"_", "", false, false},
		{"_", "ab", false, false},
		{"a%", "abc", true, true},
		{"A%", "abc", false, true},
		{"%c", "abc", true, true},
		{"%b%", "abc", true, true},
		{"a%c", "ac", true, true},
		{"a%c", "abcb", false, false},
		{"aa%aa", "aaa", false, false},
		{"a_c%", "abcd", true, true},
		{"%a_c", "aabaxc", true, true},
		{"%a_c%", "aaxaxcx", true, true},
		{"%_a_%", "ab", false, false},
		{"%__", "a", false, false},
		{"_%_", "ab", true, true},
		{"É%", "école", false, true},
		{"straße", "STRASSE", false, false},
		{"STRAẞE", "straße", false, true},
		{"k", "\u212a", false, true}, // the Kelvin sign
		{"ſ%", "Sun", false, true},
		{"σ", "ς", false, true},
		{`beta\_x`, "beta_x", true, true},
		{`beta\_x`, "beta-x", false, false},
		{`100\%`, "100%", true, true},
		{`100\%`, "1000", false, false},
		{`a\\b`, `a\b`, true, true},
		{`\a`, "a", true, true},
		{"%x%y%z%", "xyz", true, true},
		{"%x%y%z%", "zyx", false, false},
	} {
		for fold, want := range map[bool]bool{false: c.like, true: c.ilike} {
			p, problem := compilePattern(c.pattern, fold)
			require.Empty(t, problem)
			require.Equal(t, want, p.match(c.text, new(effort)), "%q LIKE %q, fold %v", c.text, c.pattern, fold)
		}
	}
}

// What a pattern costs is in proportion to the text, whatever both are.
func TestLikeIsLinear(t *testing.T) {
	const n = maxTagValue
	for pattern, text := range map[string]string{
		"%" + strings.Repeat("a", 900) + "_b%":          strings.Repeat("a", n),
		"%" + strings.Repeat("_", 997) + "Z%":           strings.Repeat("y", n),
		"%" + strings.Repeat("a_", 498) + "Z%":          strings.Repeat("a", n),
		strings.Repeat("%_a", 333):                      strings.Repeat("a", n/2) + strings.Repeat("b", n/2),
		strings.Repeat("%"+strings.Repeat("_", 99), 10): strings.Repeat("y", n),
	} {
		for _, fold := range []bool{false, true} {
			p, problem := compilePattern(pattern, fold)
			require.Empty(t, problem)
			var spent effort
			p.match(text, &spent)
			require.LessOrEqual(t, spent, effort(n*(1+maxPatternLength/64+1)), "%.20s", pattern)
		}
	}
}

// Following all beginnings at once finds what trying one after another does.
func TestLikeFindsWhatIsThere(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	word := func(n int, from string) string {
		var out strings.Builder
		for range rng.IntN(n) {
			out.WriteByte(from[rng.IntN(len(from))])
		}
		return out.String()
	}
	found := 0
	for range 20_000 {
		pattern, text := word(9, "ab_%"), word(30, "ab")
		if rng.IntN(10) == 0 {
			pattern = "%" + strings.Repeat("_", 62) + word(9, "ab_%") + "%"
			text = strings.Repeat("a", 55) + text
		}
		like := regexp.MustCompile("^" + strings.NewReplacer("_", ".", "%", ".*").Replace(pattern) + "$")
		p, _ := compilePattern(pattern, false)
		want := like.MatchString(text)
		require.Equal(t, want, p.match(text, new(effort)), "%q LIKE %q", text, pattern)
		if want {
			found++
		}
	}
	require.Greater(t, found, 1000)
}

// What a filter says of rows that lack what it asks for.
func TestFilterOfWhatIsMissing(t *testing.T) {
	v := foundVersion{&Version{
		Model: "m", Number: 3, Stage: None, Aliases: SetOf("champion", "x"),
		Tags: MapOf(map[string]string{"k": "v", "empty": ""}), Params: MapOf(map[string]string{"lr": " 0.10 ", "opt": "adam"}),
		Metrics: MapOf(map[string]float64{"acc": 0.9}), Created: time.UnixMicro(1_700_000_000_123_456), Updated: time.UnixMicro(1_700_000_000_123_456),
	}}
	bare := foundVersion{&Version{Model: "m", Number: 4, Stage: Staging, Semver: Semver{Major: 1, Build: "b"}}}
	for in, want := range map[string][2]bool{ // of v and of bare
		"tags.k = 'v'":                            {true, false},
		"tags.k != 'v'":                           {false, false},
		"tags.k != 'w'":                           {true, false},
		"NOT tags.k = 'w'":                        {true, false},
		"tags.k IS NULL OR tags.k != 'w'":         {true, true},
		"tags.empty IS NOT NULL":                  {true, false},
		"tags.k NOT LIKE 'w%'":                    {true, false},
		"tags.k NOT IN ('v', 'w')":                {false, false},
		"params.lr < 0.2":                         {true, false},
		"params.lr = 0.1":                         {true, false},
		"params.lr = '0.1'":                       {false, false},
		"NOT params.opt < 1":                      {false, false},
		"params.opt != 1":                         {false, false},
		"metrics.acc >= 0.9":                      {true, false},
		"NOT metrics.acc >= 0.9":                  {false, false},
		"metrics.acc IS NULL":                     {false, true},
		"metrics.acc NOT IN (0.8, 0.9)":           {false, false},
		"alias = 'champion'":                      {true, false},
		"alias != 'champion'":                     {false, true},
		"alias != 'y'":                            {true, true},
		"alias LIKE 'CH%'":                        {false, false},
		"alias ILIKE 'CH%'":                       {true, false},
		"alias NOT ILIKE 'CH%'":                   {false, true},
		"alias IS NULL":                           {false, true},
		"semver IS NULL":                          {true, false},
		"semver < '2'":                            {false, true},
		"NOT semver < '2'":                        {false, false},
		"semver = '1.0.0+other'":                  {false, true},
		"stage IS NULL":                           {true, false},
		"stage != 'none'":                         {false, true},
		"stage LIKE 'Stag%'":                      {false, true},
		"description = ''":                        {true, true},
		"description IS NULL":                     {true, true},
		"run_id != 'r'":                           {true, true},
		"version_number IS NULL":                  {false, false},
		"version_number IN (3, 5)":                {true, false},
		"version_number != 3":                     {false, true},
		"creation_timestamp = 1700000000123":      {true, false},
		"creation_timestamp > 1700000000123":      {false, false},
		"creation_timestamp >= 1700000000123":     {true, false},
		"creation_timestamp <= 1700000000123":     {true, true},
		"creation_timestamp < 1700000000124":      {true, true},
		"creation_timestamp = '2023-11-14'":       {true, false},
		"created = '2023-11-14T22:13:20.123456Z'": {true, false},
		"created > '2023-11-14T22:13:20.123Z'":    {true, false},
	} {
		f, err := parseFilter(&versionSubject, in)
		require.NoError(t, err, in)
		require.Equal(t, want, [2]bool{f.selects(v), f.selects(bare)}, in)
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{
		"name = 'a' AND tags.`k` != \"v\"", "NOT (metrics.acc > .5 OR params.lr<=1e-3)", "version_number IN (1,'2',)", "semver >= 'v1.2-rc.1'",
		"alias IS NOT NULL AND stage='production' or created < '2024-05-31'", "name LIKE 'a\\%%_' AND name NOT ILIKE '%ſ'", "a='x'; --", "updated = 1700000000123",
		"attributes.`Run Name` = 'a' AND run.end_time IS NULL", "NOT (datasets.name = 'x' OR parameters.lr > 1)",
	} {
		f.Add(s)
	}
	v := foundVersion{&Version{Model: "a", Number: 1, Stage: Production, Tags: MapOf(map[string]string{"k": "w"})}}
	f.Fuzz(func(t *testing.T, s string) {
		for _, subject := range []*searchSubject{&modelSubject, &versionSubject, &experimentSubject, &runSubject} {
			parsed, err := parseFilter(subject, s)
			if err != nil {
				require.ErrorIs(t, err, ErrInvalid)
				require.Less(t, len(err.Error()), 2000)
				continue
			}
			again, err := parseFilter(subject, parsed.String())
			require.NoError(t, err, "%q printed as %q", s, parsed)
			require.Equal(t, parsed.String(), again.String())
			require.Equal(t, parsed.selects(v), again.selects(v))
			negated, err := parseFilter(subject, "NOT ("+s+")")
			if err == nil && s != "" {
				require.False(t, parsed.selects(v) && negated.selects(v), "both %q and its negation", s)
			}
		}
	})
}
