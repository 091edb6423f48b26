// An endpoint's update by Svix's JavaScript SDK, of the generation that SVIX_PACKAGE names.

const imported = await import(process.env.SVIX_PACKAGE);
const { Svix } = imported.Svix ? imported : imported.default; // the older generation is CommonJS
const svix = new Svix(process.env.WEIR_TOKEN, { serverUrl: process.env.WEIR_URL });
const change = { url: "https://example.com/after", description: "by an SDK" };
const method = svix.endpoint.upsert ? "upsert" : "update";
await svix.endpoint[method](process.env.APP, process.env.ENDPOINT, change);
