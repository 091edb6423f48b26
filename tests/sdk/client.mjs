// What a customer does with Svix's JavaScript SDK, in two steps with a delivery between them.
//
// SVIX_PACKAGE names the package (two generations are in use), PHASE is "make" or "check"; what the first step made
// comes back to the second as MADE, what the receiver got as DELIVERED.

const imported = await import(process.env.SVIX_PACKAGE);
const { Svix, Webhook } = imported.Svix ? imported : imported.default; // the older generation is CommonJS
const svix = new Svix(process.env.WEIR_TOKEN, { serverUrl: process.env.WEIR_URL });
const older = process.env.SVIX_PACKAGE === "svix-1";
const say = (value) => console.log(JSON.stringify(value));
const expect = (truth, what) => {
  if (!truth) throw new Error(`expected ${what}`);
};

// The error that a call fails with.
const failure = async (call) => {
  try {
    await call();
  } catch (error) {
    return { code: error.code, detail: error.body?.detail };
  }
  throw new Error("expected the call to fail");
};

if (process.env.PHASE === "make") {
  const uid = `js-${process.env.SVIX_PACKAGE}`;
  const app = await svix.application.create({ name: "by SDK", uid });
  expect(
    (await svix.application.getOrCreate({ name: "by SDK", uid })).id === app.id,
    "the application that is there",
  );
  expect(
    (await svix.application.list()).data.some((one) => one.id === app.id),
    "it in the list",
  );
  await svix.eventType.create({ name: `sdk.${uid}`, description: "from the SDK" });
  const filter = { [older ? "filterTypes" : "eventTypes"]: [`sdk.${uid}`] };
  const endpoint = await svix.endpoint.create(app.id, { url: process.env.RECEIVER_URL, ...filter });
  expect(endpoint[Object.keys(filter)[0]][0] === `sdk.${uid}`, "the filter to come back");
  expect(endpoint.createdAt instanceof Date && !isNaN(endpoint.createdAt), "a date");
  const { key } = await svix.endpoint.getSecret(app.id, endpoint.id);
  const message = await svix.message.create(app.id, {
    eventType: `sdk.${uid}`,
    payload: { from: "javascript", n: 1 },
  });
  say({ made: { app: app.id, endpoint: endpoint.id, message: message.id, secret: key } });
} else {
  const made = JSON.parse(process.env.MADE);
  const { headers, body } = JSON.parse(process.env.DELIVERED);
  const ids = [made.app, made.message];

  new Webhook(made.secret).verify(body, headers);
  let refused = false;
  try {
    new Webhook(made.secret).verify(`${body} `, headers);
  } catch {
    refused = true;
  }
  expect(refused, "a changed body to be refused");

  const attempts = await svix.messageAttempt.listByMsg(...ids);
  expect(attempts.data.length === 1, `one attempt, not ${attempts.data.length}`);
  expect(attempts.data[0].status === 0 && attempts.data[0].responseStatusCode === 200, "a success");
  const one = await svix.messageAttempt.get(...ids, attempts.data[0].id);
  expect(one.endpointId === made.endpoint && one.timestamp instanceof Date, "the attempt");
  expect(
    (await svix.messageAttempt.listByEndpoint(made.app, made.endpoint)).data.length === 1,
    "one by endpoint",
  );
  expect(
    (await svix.messageAttempt.listAttemptedMessages(made.app, made.endpoint)).data.length === 1,
    "one message",
  );
  expect((await svix.messageAttempt.listAttemptedDestinations(...ids)).data.length === 1, "one destination");
  expect(
    (await svix.endpoint.getStats(made.app, made.endpoint)).success === 1,
    "one success in the statistics",
  );
  expect((await svix.message.list(made.app)).data[0].id === made.message, "the message in the list");
  expect((await svix.message.get(...ids)).id === made.message, "the message");

  await svix.endpoint.rotateSecret(made.app, made.endpoint, {});
  const { key } = await svix.endpoint.getSecret(made.app, made.endpoint);
  expect(key !== made.secret, "another secret");
  await svix.endpoint.patch(made.app, made.endpoint, { description: "patched" });
  expect((await svix.endpoint.get(made.app, made.endpoint)).description === "patched", "the description");
  await svix.messageAttempt.resend(...ids, made.endpoint);

  const errors = {
    bad: await failure(() => svix.endpoint.create(made.app, { url: "not a url" })),
    missing: await failure(() => svix.application.get("app_nobody")),
    conflict: await failure(() =>
      svix.application.create({ name: "again", uid: `js-${process.env.SVIX_PACKAGE}` }),
    ),
    token: await failure(() => new Svix("nonsense", { serverUrl: process.env.WEIR_URL }).application.list()),
  };
  say({ errors, secret: key });
}
