//! A JSON object that is filled by paths, its members in the order in which they came.

/// `email.attachments[].file.name`: the n-th text goes into the n-th element.
#[derive(Debug)]
enum Node {
    Object(Vec<(String, Node)>),
    List(Vec<Node>),
    /// JSON as it is.
    Raw(String),
}

#[derive(Debug)]
pub(super) struct Tree(Node);

impl Default for Tree {
    fn default() -> Self {
        Self(Node::Object(Vec::new()))
    }
}

impl Tree {
    pub(super) fn text(&mut self, path: &str, text: &str) {
        self.raw(path, quoted(text));
    }

    pub(super) fn raw(&mut self, path: &str, json: String) {
        self.raw_at(path, 0, json);
    }

    pub(super) fn text_at(&mut self, path: &str, index: usize, text: &str) {
        self.raw_at(path, index, quoted(text));
    }

    /// A value that is there already stays.
    pub(super) fn raw_at(&mut self, path: &str, index: usize, json: String) {
        let mut node = &mut self.0;
        for segment in path.split('.') {
            let (name, listed) = match segment.strip_suffix("[]") {
                Some(name) => (name, true),
                None => (segment, false),
            };
            node = node.member(name);
            if listed {
                node = node.element(index);
            }
        }
        node.fill(json);
    }

    /// The same where names may have dots.
    pub(super) fn member_text(&mut self, path: &[&str], text: &str) {
        self.member_raw(path, quoted(text));
    }

    pub(super) fn member_raw(&mut self, path: &[&str], json: String) {
        let mut node = &mut self.0;
        for name in path {
            node = node.member(name);
        }
        node.fill(json);
    }

    /// The object; `length` is about how long it will be.
    pub(super) fn finish(self, length: usize) -> String {
        let mut out = String::with_capacity(length);
        self.0.write(&mut out);
        out
    }
}

impl Node {
    fn member(&mut self, name: &str) -> &mut Self {
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { unreachable!("it was made one") };
        let at = members.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            members.push((name.to_owned(), Self::Raw(String::new())));
            members.len() - 1
        });
        &mut members[at].1
    }

    fn element(&mut self, index: usize) -> &mut Self {
        if !matches!(self, Self::List(_)) {
            *self = Self::List(Vec::new());
        }
        let Self::List(elements) = self else { unreachable!("it was made one") };
        while elements.len() <= index {
            elements.push(Self::Raw(String::new()));
        }
        &mut elements[index]
    }

    fn fill(&mut self, json: String) {
        if matches!(self, Self::Raw(empty) if empty.is_empty()) {
            *self = Self::Raw(json);
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Raw(json) if json.is_empty() => out.push_str("null"),
            Self::Raw(json) => out.push_str(json),
            Self::List(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(name));
                    out.push(':');
                    member.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// A text as a JSON string. DEL, the last control character that JSON allows raw, is escaped.
pub(in crate::format) fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a text is always JSON");
    if json.contains('\u{7f}') { json.replace('\u{7f}', r"\u007f") } else { json }
}
