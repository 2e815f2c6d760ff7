//! What each kind of backend offers, in its own words: the features that clients are put through.

use serde_json::{Value, json};

/// A feature of the protocol that not every client or backend has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    Prompts,
    Resources,
    Completion,
    Logs,
    Progress,
    Elicitation,
    Sampling,
    Roots,
    ListChanges,
    Subscriptions,
    Cancellation,
}

impl Feature {
    pub(super) const ALL: [Self; 11] = [
        Self::Prompts,
        Self::Resources,
        Self::Completion,
        Self::Logs,
        Self::Progress,
        Self::Elicitation,
        Self::Sampling,
        Self::Roots,
        Self::ListChanges,
        Self::Subscriptions,
        Self::Cancellation,
    ];
}

/// Features that are missing, each with the reason.
pub(super) type Gaps = &'static [(Feature, &'static str)];

/// A call of a tool, and words of its result.
pub(super) struct Act {
    pub(super) tool: &'static str,
    pub(super) arguments: Value,
    pub(super) says: &'static str,
}

/// What a backend offers.
pub(super) struct Stage {
    /// A prompt that takes a name, the name of its argument, a value, and words of what it says.
    pub(super) prompt: [&'static str; 4],
    /// A listed resource and words of its content.
    pub(super) resource: [&'static str; 2],
    /// A template, a resource that is only in there, and words of its content.
    pub(super) template: [&'static str; 3],
    /// A prompt, an argument of it, its beginning, and all ends of that.
    pub(super) completion: ([&'static str; 3], &'static [&'static str]),
    /// It logs something of this level with these words, and nothing below it that is not `quiet`.
    pub(super) log: (&'static str, &'static str, Act),
    /// It reports 1, 2 and 3 of 3.
    pub(super) progress: Act,
    pub(super) elicitation: Act,
    pub(super) sampling: Act,
    pub(super) roots: Act,
    /// It announces that these lists changed.
    pub(super) change: (Act, &'static [&'static str]),
    /// It announces that the resource changed.
    pub(super) touch: (&'static str, Act),
    gaps: Gaps,
    /// What only a modern client misses.
    gaps_of_modern: Gaps,
}

impl Stage {
    /// What cannot be with a client that lacks this.
    pub(super) fn gaps(&self, client_lacks: Gaps, client_is_modern: bool) -> Vec<Feature> {
        let of_era = if client_is_modern {
            self.gaps_of_modern
        } else {
            &[]
        };
        let gaps = [self.gaps, of_era, client_lacks].into_iter().flatten();
        gaps.map(|(feature, _reason)| *feature).collect()
    }
}

const ALL_LISTS: &[&str] = &["tools", "prompts", "resources"];

/// The legacy and the modern server and the `FastMCP` one: they are scripts of ours, and offer the same.
pub(super) fn ours(gaps: Gaps) -> Stage {
    let act = |tool, says| Act {
        tool,
        arguments: json!({}),
        says,
    };
    Stage {
        prompt: ["greet", "name", "Ada", "Say hello to Ada."],
        resource: ["note://welcome", "Welcome."],
        template: [
            "note://about/{topic}",
            "note://about/bees",
            "All about bees.",
        ],
        completion: (["greet", "name", "A"], &["Ada", "Alan"]),
        log: ("warning", "loud", act("log", "logged")),
        progress: act("work", "done"),
        elicitation: act("ask", "accept Ada"),
        sampling: act("sample", "Paris"),
        roots: act("roots", "file:///work"),
        change: (act("change", "changed"), ALL_LISTS),
        touch: ("note://watched", act("touch", "touched")),
        gaps,
        gaps_of_modern: &[],
    }
}

/// The official example of a server.
pub(super) fn everything() -> Stage {
    let act = |tool, arguments, says| Act {
        tool,
        arguments,
        says,
    };
    let gzip = json!({"name": "hi.gz", "data": "data:text/plain,hi", "outputType": "resourceLink"});
    Stage {
        prompt: ["args-prompt", "city", "Paris", "weather in Paris"],
        resource: [
            "demo://resource/static/document/features.md",
            "Server Features",
        ],
        template: [
            "demo://resource/dynamic/text/{resourceId}",
            "demo://resource/dynamic/text/7",
            "Resource 7: This is a plaintext resource",
        ],
        completion: (["completable-prompt", "department", "E"], &["Engineering"]),
        log: (
            "debug",
            "message",
            act(
                "toggle-simulated-logging",
                json!({}),
                "Started simulated, random-leveled logging",
            ),
        ),
        progress: act(
            "trigger-long-running-operation",
            json!({"duration": 0.03, "steps": 3}),
            "completed",
        ),
        elicitation: act("trigger-elicitation-request", json!({}), "- Name: Ada"),
        sampling: act(
            "trigger-sampling-request",
            json!({"prompt": "The capital of France?", "maxTokens": 10}),
            "Paris",
        ),
        roots: act("get-roots-list", json!({}), "URI: file:///work"),
        change: (act("gzip-file-as-resource", gzip, "hi.gz"), &["resources"]),
        touch: (
            "demo://resource/static/document/features.md",
            act(
                "toggle-subscriber-updates",
                json!({}),
                "Started simulated resource updated notifications",
            ),
        ),
        gaps: &[(
            Feature::Cancellation,
            "no tool of it tells that it was cancelled",
        )],
        gaps_of_modern: &[(
            Feature::Logs,
            "it logs apart from calls, and a modern client hears of log messages in calls only",
        )],
    }
}
