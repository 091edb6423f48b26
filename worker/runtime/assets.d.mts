// The dashboard's scripts and styles; xtask/src/build.rs writes the module.
export const assets: Record<string, { type: string; text: string }>;
