//! The add-on as Splunk would apply it to the events that were sent.

use std::collections::BTreeMap;

use regex::Regex;

use super::{
    conf::{self, Conf, Table, read},
    sent::Sent,
    spl::{self, Names},
};

pub(super) const DASHBOARDS: [&str; 2] = [
    "default/data/ui/views/postrider_threats.xml",
    "default/data/ui/views/postrider_ser_usage.xml",
];

/// The streams in docs/FIELDS.md, and their sourcetypes.
const STREAMS: [(&str, &str); 8] = [
    ("messages", "cisco:etd:message"),
    ("audit", "cisco:etd:audit"),
    ("summary", "proofpoint:ser:summary"),
    ("entitlement", "proofpoint:ser:entitlement"),
    ("usage", "proofpoint:ser:usage"),
    ("failures", "proofpoint:ser:failure"),
    ("relay_users", "proofpoint:ser:relay_user"),
    ("health", "postrider:health"),
];

pub(super) struct AddOn {
    pub(super) props: Conf,
    pub(super) transforms: Conf,
    pub(super) macros: BTreeMap<String, String>,
    pub(super) searches: BTreeMap<String, String>,
    pub(super) eventtypes: BTreeMap<String, String>,
    pub(super) dashboards: Vec<(String, String)>,
    pub(super) sent: Vec<Sent>,
}

/// `LOOKUP-x = table input OUTPUT fields`.
struct Lookup<'a> {
    table: &'a str,
    input: &'a str,
    output: Vec<&'a str>,
}

fn lookup(text: &str) -> Lookup<'_> {
    let (from, to) = text.split_once(" OUTPUT ").unwrap();
    let (table, input) = from.split_once(' ').unwrap();
    Lookup { table, input, output: to.split(' ').collect() }
}

impl AddOn {
    pub(super) fn load(sent: Vec<Sent>) -> Self {
        let one = |conf: Conf, key: &str| {
            let of = |(name, settings): (String, BTreeMap<String, String>)| {
                let value = settings.get(key).unwrap_or_else(|| panic!("[{name}] no {key}"));
                (name, value.clone())
            };
            conf.into_iter().map(of).collect()
        };
        let dashboards = DASHBOARDS.map(|name| (name.to_owned(), read(name)));
        Self {
            props: conf::conf("props"),
            transforms: conf::conf("transforms"),
            macros: one(conf::conf("macros"), "definition"),
            searches: one(conf::conf("savedsearches"), "search"),
            eventtypes: one(conf::conf("eventtypes"), "search"),
            dashboards: dashboards.to_vec(),
            sent,
        }
    }

    pub(super) fn table(&self, name: &str) -> Table {
        Table::read(&self.transforms[name]["filename"])
    }

    fn settings<'a>(&'a self, sourcetype: &str, prefix: &'a str) -> Vec<(&'a str, &'a str)> {
        let settings = self.props.get(sourcetype).into_iter().flatten();
        let of = |(key, value): (&'a String, &'a String)| {
            Some((key.strip_prefix(prefix)?, value.as_str()))
        };
        settings.filter_map(of).collect()
    }

    /// What is in the events themselves.
    fn raw(&self, sourcetype: &str) -> (Names, Names) {
        let (mut fields, mut indexed) = (Names::new(), Names::new());
        for event in self.sent.iter().filter(|event| event.sourcetype == sourcetype) {
            fields.extend(event.fields.keys().cloned());
            indexed.extend(event.indexed.clone());
        }
        (fields, indexed)
    }

    /// What a search of the sourcetype sees.
    fn seen(&self, sourcetype: &str) -> Names {
        let (mut fields, _) = self.raw(sourcetype);
        fields.extend(self.settings(sourcetype, "EVAL-").iter().map(|(name, _)| (*name).into()));
        for (_, text) in self.settings(sourcetype, "LOOKUP-") {
            fields.extend(lookup(text).output.iter().map(|name| (*name).to_owned()));
        }
        fields
    }

    /// What a field may be in an event; where an expression chooses, all that it can say.
    pub(super) fn values(&self, event: &Sent, field: &str) -> Vec<String> {
        for (_, text) in self.settings(&event.sourcetype, "LOOKUP-") {
            let lookup = lookup(text);
            if lookup.output.contains(&field) {
                let table = self.table(lookup.table);
                let default = &self.transforms[lookup.table]["default_match"];
                let of = |input: String| {
                    let found = table.find(lookup.input, &input, field);
                    found.map_or_else(|| default.clone(), str::to_owned)
                };
                return self.values(event, lookup.input).into_iter().map(of).collect();
            }
        }
        let raw = |name: &str| event.fields.get(name).cloned().unwrap_or_default();
        let first = |names: &[&str]| {
            let mut texts = names.iter().flat_map(|name| raw(name)).filter(|text| !text.is_empty());
            texts.next().map(|text| text.to_lowercase())
        };
        let evals = self.settings(&event.sourcetype, "EVAL-");
        let Some((_, expression)) = evals.iter().find(|(name, _)| *name == field) else {
            return raw(field);
        };
        match field {
            "verdict" => {
                let names = ["verdict.latestVerdict", "verdict.verdict", "verdict.originalVerdict"];
                vec![first(&names).unwrap_or_else(|| "noverdict".to_owned())]
            }
            "etd_action" => vec![match (first(&["action.type"]), first(&["action.folder"])) {
                (Some(done), Some(folder)) => format!("{done} to {folder}"),
                (None, Some(folder)) => format!("move to {folder}"),
                (done, None) => done.unwrap_or_else(|| "none".to_owned()),
            }],
            _ => match Regex::new("^'([^']+)'$").unwrap().captures(expression) {
                Some(alias) => raw(&alias[1]),
                None => Regex::new("\"([^\"]*)\"")
                    .unwrap()
                    .captures_iter(expression)
                    .map(|groups| groups[1].to_owned())
                    .collect(),
            },
        }
    }

    fn satisfies(&self, event: &Sent, (name, wanted): &(String, String)) -> bool {
        self.values(event, name).iter().any(|value| match wanted.strip_suffix('*') {
            Some(start) => value.starts_with(start),
            None => value.eq_ignore_ascii_case(wanted),
        })
    }

    /// All that is not as promised.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for sourcetype in self.props.keys() {
            self.check_props(sourcetype, &mut problems);
        }
        self.check_documented(&mut problems);
        for (name, search) in self.searches.iter().chain(&self.eventtypes) {
            self.check_search(name, &spl::expanded(search, &self.macros), &mut problems);
        }
        for (name, xml) in &self.dashboards {
            self.check_dashboard(name, xml, &mut problems);
        }
        for stanza in conf::conf("tags").keys() {
            let of = stanza.strip_prefix("eventtype=").unwrap();
            if !self.eventtypes.contains_key(of) {
                problems.push(format!("tags: no eventtype {of}"));
            }
        }
        problems
    }

    fn check_props(&self, sourcetype: &str, problems: &mut Vec<String>) {
        let (raw, _) = self.raw(sourcetype);
        let evals = self.settings(sourcetype, "EVAL-");
        for (name, expression) in &evals {
            // They are worked out side by side: none sees another.
            let missing = spl::read_by(expression).into_iter().filter(|field| !raw.contains(field));
            problems.extend(missing.map(|field| format!("{sourcetype} EVAL-{name}: {field}")));
        }
        for (_, text) in self.settings(sourcetype, "LOOKUP-") {
            let lookup = lookup(text);
            let table = self.table(lookup.table);
            for field in lookup.output.iter().chain([&lookup.input]) {
                if !table.columns.iter().any(|column| column == field) {
                    problems.push(format!("{sourcetype}: no column {field} in {}", lookup.table));
                }
            }
            let given = evals.iter().any(|(name, _)| *name == lookup.input);
            if !given && !raw.contains(lookup.input) {
                problems.push(format!("{sourcetype}: no field {} to look up", lookup.input));
            }
        }
        let prefix = &self.props[sourcetype]["TIME_PREFIX"];
        let member = prefix.trim_end_matches("\":\"").trim_start_matches('"');
        if !raw.contains(&format!("postrider.{member}")) {
            problems.push(format!("{sourcetype}: TIME_PREFIX {prefix}"));
        }
    }

    /// docs/FIELDS.md says what the add-on calls a field.
    fn check_documented(&self, problems: &mut Vec<String>) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FIELDS.md");
        let page = std::fs::read_to_string(path).unwrap();
        for section in page.split("\n## ").skip(1) {
            let stream = STREAMS.iter().find(|(name, _)| section.starts_with(&format!("`{name}`")));
            let (_, sourcetype) =
                stream.unwrap_or_else(|| panic!("{section:.20} has no sourcetype"));
            let seen = self.seen(sourcetype);
            for row in section.lines().filter(|line| line.starts_with("| ")).skip(2) {
                let cell = row.split(" |").nth(4).unwrap().trim();
                for name in cell.trim_matches('`').split(", ").filter(|name| *name != "…") {
                    if !name.is_empty() && !seen.contains(name) {
                        problems.push(format!("docs/FIELDS.md: {name} in {section:.20}"));
                    }
                }
            }
        }
    }

    /// Goes through a search; what it leaves.
    fn check_search(&self, name: &str, search: &str, problems: &mut Vec<String>) -> Names {
        let terms = spl::terms(search);
        let wanted = terms.iter().filter(|(field, _)| field == "sourcetype");
        let mut left = Names::new();
        for (_, sourcetype) in wanted {
            if !self.props.contains_key(sourcetype) {
                problems.push(format!("{name}: no sourcetype {sourcetype}"));
                continue;
            }
            let (_, indexed) = self.raw(sourcetype);
            match spl::fields_after(search, &self.seen(sourcetype), &indexed) {
                Ok(fields) => left = fields,
                Err(missing) => problems.extend(missing.iter().map(|it| format!("{name}: {it}"))),
            }
            self.check_values(name, search, sourcetype, problems);
        }
        if terms.iter().all(|(field, _)| field != "sourcetype") {
            problems.push(format!("{name}: of no sourcetype"));
        }
        left
    }

    /// Some event is found by what a search begins with, and by each word that it compares later.
    fn check_values(&self, name: &str, search: &str, sourcetype: &str, problems: &mut Vec<String>) {
        let events = || self.sent.iter().filter(|event| event.sourcetype == sourcetype);
        let compared = ["search", "where"];
        for (index, (command, rest)) in spl::commands(search).iter().enumerate() {
            if !compared.contains(&command.as_str()) {
                continue;
            }
            let is_word = |(_, value): &(String, String)| value.parse::<f64>().is_err();
            let terms: Vec<_> = spl::terms(rest).into_iter().filter(is_word).collect();
            if index == 0 && !events().any(|e| terms.iter().all(|term| self.satisfies(e, term))) {
                problems.push(format!("{name}: no event has {rest}"));
            }
            for term in terms.iter().filter(|(field, _)| self.seen(sourcetype).contains(field)) {
                if term.1.starts_with(|c: char| c.is_alphabetic())
                    && !events().any(|event| self.satisfies(event, term))
                {
                    problems.push(format!("{name}: no event has {}={}", term.0, term.1));
                }
            }
        }
    }

    fn check_dashboard(&self, name: &str, xml: &str, problems: &mut Vec<String>) {
        let document = roxmltree::Document::parse(xml).unwrap();
        let named = |node: roxmltree::Node<'_, '_>, tag: &str| {
            let mut children = node.children();
            let found = children.find(|child| child.has_tag_name(tag)).and_then(|it| it.text());
            found.unwrap_or_else(|| panic!("{name}: no {tag}")).trim().to_owned()
        };
        let all = || document.descendants().filter(|node| node.has_tag_name("search"));
        let mut bases = BTreeMap::new();
        for node in all().filter(|node| node.attribute("base").is_none()) {
            let query = spl::expanded(&named(node, "query"), &self.macros);
            let left = self.check_search(name, &query, problems);
            if let Some(id) = node.attribute("id") {
                bases.insert(id.to_owned(), (query, left));
            } else {
                let input = node.parent().unwrap();
                for tag in ["fieldForLabel", "fieldForValue"] {
                    if !left.contains(&named(input, tag)) {
                        problems.push(format!("{name}: {tag}"));
                    }
                }
            }
        }
        for node in all() {
            let Some(base) = node.attribute("base") else { continue };
            let Some((before, left)) = bases.get(base) else {
                problems.push(format!("{name}: no search {base}"));
                continue;
            };
            let query = named(node, "query");
            // Only what the base leaves is there, as in Splunk.
            if let Err(missing) = spl::fields_after(&format!("| {query}"), left, &Names::new()) {
                problems.extend(missing.iter().map(|field| format!("{name}: {field}")));
            }
            self.check_search(name, &format!("{before} | {query}"), problems);
        }
    }
}
