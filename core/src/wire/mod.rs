//! The calls between the Worker and its objects, and between objects.
//!
//! - An operation is declared once, in the table of the class that serves it ([`directory`], [`app`], [`endpoint`]): its name,
//!   its request, its response. A caller names the operation and gets its response; it cannot ask for another type.
//! - Each table makes a trait `Server` with one method for each operation. A class that does not serve one does not compile.
//! - [`name`] has the names of objects, with one parser.
//!
//! Requests and responses are frames: see [`crate::frame`] for what may change from one release to the next.

mod ask;
pub mod name;

pub use ask::{Answers, Ask, TaskAsk};

use crate::frame;
use minicbor::{Decode, Encode};
use name::ObjectName;

/// An operation of an object.
pub trait Operation {
    /// The name of the object that serves it.
    type Object: ObjectName;
    /// What the caller sends.
    type Request: Encode<()> + for<'b> Decode<'b, ()>;
    /// What it gets back.
    type Response: Encode<()> + for<'b> Decode<'b, ()>;
    /// What it is called between objects. Releases that run side by side must agree on it.
    const NAME: &'static str;
}

/// The frame of a request.
pub fn request<O: Operation>(request: &O::Request) -> Vec<u8> {
    frame::encode(request)
}

/// The largest frame of a response. The platform refuses 32 MiB. What an operation answers has bounds of its own, far below.
pub const RESPONSE_MAX: usize = 16 * 1024 * 1024;

/// The frame, unless it is larger than any may be.
fn bounded(operation: &str, frame: Vec<u8>) -> Result<Vec<u8>, String> {
    if frame.len() > RESPONSE_MAX {
        return Err(format!("{operation} has a response of {} bytes, at most {RESPONSE_MAX}", frame.len()));
    }
    Ok(frame)
}

/// Reads the frame of a response; the error is a text for the log.
pub fn response<O: Operation>(bytes: &[u8]) -> Result<O::Response, String> {
    frame::decode(bytes)
}

/// Declares the operations of a class: the types, the trait that serves them, and `serve`, which calls it.
macro_rules! operations {
    ($object:ty: $($(#[$doc:meta])* $operation:ident = $text:literal: $method:ident($request:ty) -> $response:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub enum $operation {}

            impl $crate::wire::Operation for $operation {
                type Object = $object;
                type Request = $request;
                type Response = $response;
                const NAME: &'static str = $text;
            }
        )*

        /// What an object of this class serves. Errors are texts for the log; the caller learns only that the call failed.
        #[allow(async_fn_in_trait)] // an isolate has one thread
        pub trait Server {
            $(
                $(#[$doc])*
                async fn $method(&self, request: $request) -> Result<$response, String>;
            )*
        }

        /// Calls the method of an operation: the frame of its response. An error if there is no such operation, which only a
        /// newer release can ask for.
        pub async fn serve(server: &impl Server, operation: &str, frame: &[u8]) -> Result<Vec<u8>, String> {
            match operation {
                $($text => {
                    let response = server.$method($crate::frame::decode(frame)?).await?;
                    $crate::wire::bounded($text, $crate::frame::encode(&response))
                })*
                other => Err(format!("no operation is called {other}")),
            }
        }

        /// The names of all operations.
        pub const NAMES: &[&str] = &[$($text),*];
    };
}

/// The operations of a Directory.
///
/// A class that does not serve all of them does not compile:
///
/// ```compile_fail,E0046
/// struct Nothing;
/// impl weir_core::wire::directory::Server for Nothing {}
/// ```
pub mod directory {
    use crate::api::call::{Call, Reply};
    use crate::api::route::DirectoryOp;
    use crate::frame::PluginUpload;
    use crate::wire::name::DirectoryName;

    operations! {
        DirectoryName:
        /// A request of the API.
        Api = "api": api(Call<DirectoryOp>) -> Reply;
        /// Stores a module as a version of a plugin.
        UploadPlugin = "upload-plugin": upload_plugin(PluginUpload) -> Reply;
    }
}

/// The operations of an App.
pub mod app {
    use crate::api::call::{Call, Reply};
    use crate::api::route::AppOp;
    use crate::frame::{
        Accepted, AppInit, BatchAnswer, BatchAsk, Done, IngestAsk, Ingested, NewMessage, Payloads,
        PayloadsAsk, PluginNotice, PluginUses, Pull, Report, UsageAnswer, UsageAsk,
    };
    use crate::source::rejected::Rejected;
    use crate::wire::name::AppName;

    operations! {
        AppName:
        /// Stores a message.
        Accept = "accept": accept(NewMessage) -> Accepted;
        /// A request of the API. Status 0 if the object is no application.
        Api = "api": api(Call<AppOp>) -> Reply;
        /// Stores a batch of messages.
        AcceptBatch = "batch": accept_batch(BatchAsk) -> BatchAnswer;
        /// Stores the events of one request to a source: all or none.
        Ingest = "ingest": ingest(IngestAsk) -> Ingested;
        /// Creates, changes or deletes the application.
        Init = "init": init(AppInit) -> Done;
        /// Reads payloads for an endpoint.
        ReadPayloads = "payloads": read_payloads(PayloadsAsk) -> Payloads;
        /// Takes note of a plugin that has changed.
        NotePlugin = "plugin": note_plugin(PluginNotice) -> PluginUses;
        /// Pushes what waits for an endpoint that has room again.
        Resume = "pull": resume(Pull) -> ();
        /// Adds a request that was refused to a source's list.
        KeepRejected = "rejected": keep_rejected(Rejected) -> ();
        /// Takes a report of an endpoint. Everything that follows from it is stored before the call returns.
        TakeReport = "report": take_report(Report) -> ();
        /// Counts messages and attempts of a period.
        Usage = "usage": usage(UsageAsk) -> UsageAnswer;
    }
}

/// The operations of an Endpoint.
pub mod endpoint {
    use crate::frame::{
        Attempts, AttemptsAsk, BulkAsk, Config, ConfigAnswer, Deliveries, DeliveriesAsk, Done, ExpungeAsk,
        Push, PushAnswer, RecoverAsk, ReplayAsk, Resend, StatsAnswer, StatsAsk, TaskAnswer,
    };
    use crate::wire::name::EndpointName;

    operations! {
        EndpointName:
        /// A page of attempts.
        ListAttempts = "attempts": list_attempts(AttemptsAsk) -> Attempts;
        /// Makes failed deliveries of given messages due again.
        BulkReplay = "bulk-replay": bulk_replay(BulkAsk) -> TaskAnswer;
        /// Sets the configuration.
        Configure = "configure": configure(Config) -> ConfigAnswer;
        /// The state of the deliveries of given messages.
        ReadDeliveries = "deliveries": read_deliveries(DeliveriesAsk) -> Deliveries;
        /// Deletes everything that the endpoint stores.
        Erase = "erase": erase(()) -> Done;
        /// Deletes the response of an attempt.
        ExpungeAttempt = "expunge": expunge_attempt(ExpungeAsk) -> Done;
        /// Takes messages for delivery.
        TakePush = "push": take_push(Push) -> PushAnswer;
        /// Makes failed deliveries of a period due again.
        Recover = "recover": recover(RecoverAsk) -> TaskAnswer;
        /// Takes messages that were never offered to the endpoint.
        Replay = "replay": replay(ReplayAsk) -> TaskAnswer;
        /// Delivers one message again.
        ResendMessage = "resend": resend_message(Resend) -> bool;
        /// Counts attempts and what is pending.
        ReadStats = "stats": read_stats(StatsAsk) -> StatsAnswer;
    }
}

#[cfg(test)]
mod tests {
    use super::{RESPONSE_MAX, directory};
    use crate::api::call::{Call, Reply};
    use crate::api::route::DirectoryOp;
    use crate::frame::PluginUpload;
    use std::collections::BTreeSet;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// A Directory whose replies have so many bytes.
    struct Large(usize);

    impl directory::Server for Large {
        async fn api(&self, _: Call<DirectoryOp>) -> Result<Reply, String> {
            Ok(Reply { body: vec![b'x'; self.0], ..Reply::empty(200) })
        }

        async fn upload_plugin(&self, _: PluginUpload) -> Result<Reply, String> {
            Ok(Reply::empty(201))
        }
    }

    #[test]
    fn a_response_that_is_too_large_is_refused_before_the_platform_refuses_it() {
        let ask = |bytes: usize| {
            let (server, call) = (Large(bytes), crate::frame::encode(&Call::new(DirectoryOp::AppList)));
            let mut answer = pin!(directory::serve(&server, "api", &call));
            match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => answer.map(|frame| frame.len()),
                Poll::Pending => unreachable!("it waits for nothing"),
            }
        };
        let whole = ask(1_000_000).expect("answered").saturating_sub(1_000_000);
        assert!(ask(RESPONSE_MAX - whole - 8).is_ok());
        let error = ask(RESPONSE_MAX).expect_err("refused");
        assert!(error.contains("api has a response of"), "{error}");
    }

    #[test]
    fn no_two_operations_of_a_class_have_one_name() {
        for names in [directory::NAMES, super::app::NAMES, super::endpoint::NAMES] {
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        }
    }
}
