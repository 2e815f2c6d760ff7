//! What a test makes a running fake backend do.

use serde_json::Value;

use super::{FakeBackend, List, listeners, questions, tape, tasks};

impl FakeBackend {
    /// Sets the result that the tool `exact` answers with, as raw JSON text.
    pub fn set_exact(&self, result: &str) {
        self.set("exact", result);
    }

    /// Sets the result that the prompt `exact_prompt` answers with, as raw JSON text.
    pub fn set_exact_prompt(&self, result: &str) {
        self.set("exact_prompt", result);
    }

    /// Sets the result that reading `fake://exact` answers with, as raw JSON text.
    pub fn set_exact_resource(&self, result: &str) {
        self.set("fake://exact", result);
    }

    fn set(&self, name: &'static str, result: &str) {
        self.stage
            .change(|state| state.exact.insert(name, result.to_owned()));
    }

    /// Sends a notification, raw JSON, to everybody who is to hear it: on one stream of each MCP
    /// session, on each subscription that asked for its kind. News of a resource reach only who
    /// subscribed to it.
    pub fn announce(&self, message: &str) {
        self.stage
            .change(|state| listeners::announce(state, message));
    }

    /// Sends a message, raw JSON, on every open stream, wanted or not.
    pub fn blurt(&self, message: &str) {
        self.stage.change(|state| listeners::blurt(state, message));
    }

    /// Announces that a list is another one now.
    pub fn announce_change(&self, list: List) {
        self.announce(&list.changed());
    }

    /// Announces that a resource is another one now.
    pub fn announce_update(&self, uri: &str) {
        let uri = Value::from(uri);
        self.announce(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":{uri}}}}}"#
        ));
    }

    /// Ends every stream for announcements without a word.
    pub fn end_streams(&self) {
        self.stage.change(|state| state.listeners.clear());
    }

    /// Ends every subscription with its response, as a modern server does that shuts down.
    pub fn close_subscriptions(&self) {
        listeners::close_subscriptions(&self.stage);
    }

    /// Closes every connection of a resumable backend; the streams go on for who resumes them.
    pub fn hang_up(&self) {
        tape::hang_up(&self.stage, false);
    }

    /// Resets every connection of a resumable backend; the streams go on for who resumes them. What a
    /// client had not read by then is lost with its connection.
    pub fn break_off(&self) {
        tape::hang_up(&self.stage, true);
    }

    /// Takes every question back that a legacy client has not answered.
    pub fn withdraw_questions(&self) {
        questions::withdraw(&self.stage);
    }

    /// Adds a tool by its definition, raw JSON, and announces nothing.
    pub fn add_tool(&self, definition: &str) {
        self.add(List::Tools, definition);
    }

    /// Adds an entry to a list by its definition, raw JSON, and announces nothing.
    pub fn add(&self, list: List, definition: &str) {
        self.stage
            .change(|state| list.entries_mut(state).push(definition.to_owned()));
    }

    /// Takes the entry of this name or URI out of a list, and announces nothing.
    pub fn remove(&self, list: List, key: &str) {
        self.stage.change(|state| list.remove(state, key));
    }

    /// The URIs somebody is subscribed to, by `resources/subscribe` or a subscription's filter.
    pub fn subscriptions(&self) -> Vec<String> {
        self.stage.read(listeners::subscribed)
    }

    /// The log levels that `logging/setLevel` left, one for each MCP session that set one.
    pub fn log_levels(&self) -> Vec<&'static str> {
        self.stage.read(|state| {
            let sessions = state.sessions.values().chain([&state.sessionless]);
            let levels = sessions.filter_map(|session| session.log_level);
            levels.map(super::manners::Level::name).collect()
        })
    }

    /// How many questions wait for a legacy client's answer.
    pub fn open_questions(&self) -> usize {
        self.stage.read(|state| state.asked.len())
    }

    /// The id and the status of every task, in the order they were made.
    pub fn tasks(&self) -> Vec<(String, String)> {
        tasks::statuses(&self.stage)
    }

    /// Lets its clients break the schema: messages that do fail a test otherwise.
    pub fn tolerate(&self) {
        self.stage.change(|state| state.tolerant = true);
    }
}
