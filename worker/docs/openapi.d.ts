// The OpenAPI document, as far as the API reference reads it.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
  enum?: unknown[];
  const?: string;
  default?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  maxItems?: number;
  pattern?: string;
}

export interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  description?: string;
  schema: Schema;
  example?: string;
}

export interface Content {
  $ref?: string;
  description?: string;
  required?: boolean;
  content?: Record<string, { schema: Schema; example?: unknown }>;
}

export interface Operation {
  operationId: string;
  summary: string;
  description: string;
  tags: [string];
  deprecated?: boolean;
  security?: unknown[];
  parameters?: Parameter[];
  requestBody?: Content;
  responses: Record<string, Content>;
  "x-errors": string[];
}

export interface ErrorCode {
  status: number;
  when: string;
  action: string;
}

export interface Api {
  info: { description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { "x-errors": Record<string, ErrorCode> };
}

/** A request of an operation, as a program or the page sends it. */
export interface ApiRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  media: string | undefined;
  body: string | undefined;
  needsToken: boolean;
  answersJson: boolean;
}
