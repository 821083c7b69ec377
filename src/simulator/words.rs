//! The vocabulary of the simulated mail.

pub(super) const SUBJECTS: &[&str] = &[
    "Minutes of the meeting",
    "Invoice overdue",
    "Your parcel could not be delivered",
    "Security: please act",
    "Quarterly figures",
    "Rechnung für Büromöbel – Mahnung",
    "お支払いのお願い",
    "Réunion d’équipe reportée",
    "🎉 You’ve won a 👩‍👩‍👧 family trip",
    "חשבונית מספר",
    "Re: Fwd: contract | clause=4 \\ annex \"B\" [draft]",
    "Line one\r\nline two\tafter a tab",
    "Счёт на оплату",
    "Password expires today",
    "Cafe\u{301} order ^ confirmation",
    "Team lunch on Friday",
    "Purchase order",
    "Weekly newsletter",
    "Wire transfer before noon",
    "Job application",
];

pub(super) const NAMES: &[&str] = &[
    "ann", "bert", "chloe", "dmitri", "elif", "farid", "grace", "hiro", "ines", "jonas", "kofi",
    "lucia", "mei", "nils", "olga", "pavel", "quinn", "rosa", "sven", "tariq",
];

pub(super) const SENDERS: &[(&str, &str)] = &[
    ("News", "news@bulk.example.net"),
    ("Accounts Payable", "ap@supplier.example.org"),
    ("Dr. Käthe Müller", "kaethe.mueller@klinik.example.org"),
    ("IT Support", "support@account-check.example.net"),
    ("Parcel Service", "tracking@parcel.example.net"),
    ("山田 太郎", "yamada@shoji.example.org"),
    ("Recruiting", "jobs@talent.example.org"),
    ("The Board", "ceo@exarnple.example.net"),
];

pub(super) const DOMAINS: &[&str] = &["example.com", "example.com", "sub.example.com"];

pub(super) const FILES: &[&str] =
    &["invoice.pdf", "report.docx", "image001.png", "Übersicht Q3.xlsx", "scan.zip", "readme.html"];

pub(super) const HOSTS: &[&str] = &[
    "https://click.bulk.example.net/track/open",
    "https://portal.supplier.example.org/documents/view",
    "http://login.account-check.example.net/session/verify",
    "https://www.example.com/intranet/news",
    "https://parcel.example.net/status",
];

/// Type and description of what the analysis found.
pub(super) const TECHNIQUES: &[(&str, &str, &str)] = &[
    (
        "Low content reputation",
        "\"high\"",
        "The content of the mail has been seen in campaigns that were reported by other organisations",
    ),
    (
        "References to cryptocurrency",
        "\"high\"",
        "Names a cryptocurrency address and asks for a payment to it",
    ),
    (
        "Malicious URL",
        "\"high\"",
        "A link leads to a page that asks for the credentials of a well-known service",
    ),
    (
        "Sender imitates a colleague",
        "\"medium\"",
        "The display name is that of an executive, while the address belongs to a free mail provider",
    ),
    ("Urgency", "null", "\"Please act before noon, or your account will be closed\""),
    ("New sender domain", "null", "The domain was registered less than thirty days ago"),
];

pub(super) const THREATS: &[&str] = &["phishing", "malicious", "scam", "bec"];

/// What a search may filter by.
pub(super) const VERDICTS: &[&str] =
    &["spam", "malicious", "phishing", "graymail", "neutral", "bec", "scam", "noVerdict"];

pub(super) const DIRECTIONS: &[&str] = &["incoming", "outgoing", "internal", "mixed"];
