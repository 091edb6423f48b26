// Replaces `queueMicrotask`, through which every wake-up of a Rust future goes.
//
// The platform's own enters and leaves the runtime for every task; a promise's reaction does not. This alone was a seventh
// of the processor time of an event. An exception of a task is reported as it would have been: instance.mjs listens for it.

const settled = Promise.resolve();

globalThis.queueMicrotask = (task) => {
  settled.then(() => {
    try {
      task();
    } catch (error) {
      reportError(error);
    }
  });
};
