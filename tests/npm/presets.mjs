// What is tested of the package weir-presets wherever it runs: in Node (`presets-node.mjs`) and in Chromium
// (`presets-browser.mjs`). `all` gives each test's name and what went wrong, so that it needs no library.

const same = (is, should, what = "") => {
  const [a, b] = [JSON.stringify(is), JSON.stringify(should)];
  if (a !== b) throw new Error(`${what}: ${a}, and not ${b}`);
};

/** Runs every test of `presets`, the package's exports, against vectors of providers. */
export async function all(presets, vectors) {
  const tests = {
    "every vector of a provider has its verdict": () => {
      if (vectors.length < 20) throw new Error(`there are ${vectors.length} vectors`);
      for (const { name, preset, secrets, now, request, verdict, params, handshake } of vectors) {
        const { headers, body, url, method } = request;
        const is = presets.verify(preset, { headers, body, url, method, secret: secrets, now, params });
        if (handshake) {
          same(is.handshake?.status, handshake.status, name);
          continue;
        }
        same(is.verdict, verdict, `${name}: ${is.reason?.detail}`);
        same(is.ok, verdict !== "failed" && verdict !== "unattempted", name);
      }
    },
    "it takes three lines": () => {
      const [secret, body] = ["whsec_test", '{"id":"evt_1","type":"charge.succeeded"}'];
      const { headers } = presets.sign("stripe", { body, secret });
      const { ok, event } = presets.verify("stripe", { headers, body, secret });
      same([ok, event.type, event.id], [true, "charge.succeeded", "evt_1"]);
      const wrong = presets.verify("stripe", { headers, body: body.replace("1", "2"), secret });
      same([wrong.ok, wrong.verdict, wrong.reason.code], [false, "failed", "mismatch"]);
    },
    "headers and bodies may be of any kind": () => {
      const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at % 256);
      const { headers } = presets.sign("github", { body: bytes, secret: "s3cret" });
      const others = [
        headers,
        Object.entries(headers),
        new Headers(headers),
        new Map(Object.entries(headers)),
        { ...headers, cookie: undefined, "x-many": ["a", "b"] },
        Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value])),
      ];
      for (const headers of others) {
        for (const body of [bytes, bytes.buffer])
          same(presets.verify("github", { headers, body, secret: "s3cret" }).ok, true);
      }
    },
    "several secrets are tried, the newest first": () => {
      const { headers } = presets.sign("github", { body: "{}", secret: "old" });
      const { ok, secretIndex } = presets.verify("github", { headers, body: "{}", secret: ["new", "old"] });
      same([ok, secretIndex], [true, 1]);
    },
    "a signature that is too old is refused": () => {
      const at = Date.UTC(2026, 0, 1);
      const { headers } = presets.sign("stripe", { body: "{}", secret: "s", now: at });
      same(presets.verify("stripe", { headers, body: "{}", secret: "s", now: at + 60_000 }).ok, true);
      same(presets.verify("stripe", { headers, body: "{}", secret: "s", now: at + 3_600_000 }).ok, false);
    },
    "a Request is verified, and its body can still be read": async () => {
      const { headers } = presets.sign("github", { body: '{"a":1}', secret: "s3cret" });
      const request = new Request("https://example.com/hook", { method: "POST", headers, body: '{"a":1}' });
      same((await presets.verifyRequest("github", request, { secret: "s3cret" })).ok, true);
      same(await request.json(), { a: 1 });
    },
    "published keys are asked for at the provider's own host only, and their absence is told": async () => {
      const body = JSON.stringify({
        Type: "Notification",
        MessageId: "1",
        TopicArn: "arn:aws:sns:us-east-1:1:t",
        Message: "m",
        Timestamp: new Date().toISOString(),
        SignatureVersion: "2",
        Signature: "AAAA",
        SigningCertURL: "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
      });
      const request = (body) => new Request("https://example.com/hook", { method: "POST", body });
      const asked = [];
      const fetch = async (url) => (asked.push(url), new Response("", { status: 500 }));
      const verdict = await presets.verifyRequest("aws-sns", request(body), { fetch });
      same([verdict.ok, asked.length, new URL(asked[0]).hostname], [false, 1, "sns.us-east-1.amazonaws.com"]);
      const evil = body.replace("sns.us-east-1.amazonaws.com", "evil.example");
      same([(await presets.verifyRequest("aws-sns", request(evil), { fetch })).ok, asked.length], [false, 1]);
      same(
        presets.verify("aws-sns", { headers: [], body }).reason.code.startsWith("keys"),
        true,
        "without keys",
      );
    },
    "all presets are listed, each can be read, and what there is not is an error": () => {
      const list = presets.list();
      if (list.length < 190) throw new Error(`there are ${list.length} presets`);
      same(new Set(list.map(({ name }) => name)).size, list.length);
      for (const { name, title } of list) same(presets.get(name).title, title);
      for (const call of [
        () => presets.get("none"),
        () => presets.verify("none", { headers: {}, body: "" }),
      ]) {
        try {
          call();
        } catch (error) {
          same([error instanceof presets.PresetError, error.code], [true, "not_found"]);
          continue;
        }
        throw new Error("there is no such preset");
      }
    },
  };
  const results = [];
  for (const [test, work] of Object.entries(tests)) {
    const begun = performance.now();
    let error;
    try {
      await work();
    } catch (thrown) {
      error = String(thrown?.stack ?? thrown);
    }
    results.push({ test, ok: error === undefined, ms: Math.round(performance.now() - begun), error });
  }
  return results;
}
