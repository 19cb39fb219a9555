// Health and reflection, asked as a stranger's tool such as grpcurl asks: without descriptors.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials } from "@grpc/grpc-js";
import { type SpecApi, startApi } from "./spec-api.ts";

const SERVICES = [
  "muster.v1.AgentService",
  "muster.v1.AuditService",
  "muster.v1.CalendarService",
  "muster.v1.ConfigService",
  "muster.v1.ConnectionService",
  "muster.v1.GroupService",
  "muster.v1.PackageService",
  "muster.v1.PolicyService",
  "muster.v1.RolloutService",
  "muster.v1.SecretService",
];

describe("the server", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  it("tells its health by service", async () => {
    const client = openRaw(api.server.port);
    for (const name of ["", ...SERVICES]) {
      assert.equal(await healthOf(client, name), 1, name);
    }
    await assert.rejects(healthOf(client, "nowhere"), /NOT_FOUND/);
    client.close();
  });

  it("tells strangers what there is, completely enough to build clients from", async () => {
    const client = openRaw(api.server.port);
    const listed = (await reflect(client, 7, "*")).map((service) => String(Buffer.from(partsOf(service, 1)[0] ?? [])));
    assert.deepEqual(listed.sort(), ["grpc.health.v1.Health", ...SERVICES]);
    for (const name of listed) {
      const files = (await reflect(client, 4, name)).map((file) => fromBinary(FileDescriptorProtoSchema, file));
      const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: dependenciesFirst(files) }));
      assert.ok((registry.getService(name)?.methods.length ?? 0) > 0, name);
    }
    client.close();
  });
});

type File = ReturnType<typeof create<typeof FileDescriptorProtoSchema>>;

function dependenciesFirst(files: readonly File[]): File[] {
  const sorted: File[] = [];
  const visit = (file: File) => {
    for (const each of files) if (file.dependency.includes(each.name)) visit(each);
    if (!sorted.includes(file)) sorted.push(file);
  };
  for (const file of files) visit(file);
  return sorted;
}

const bytes = (message: Buffer): Buffer => message;

/** Opens a client; close it. */
function openRaw(port: number): Client {
  return new Client(`127.0.0.1:${port}`, credentials.createInsecure());
}

/** Asks for the health of a service: 1 serving, 2 not serving. Rejects for services it does not know. */
async function healthOf(client: Client, service: string): Promise<number> {
  const request = Buffer.from(new BinaryWriter().tag(1, WireType.LengthDelimited).string(service).finish());
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  client.makeUnaryRequest("/grpc.health.v1.Health/Check", bytes, bytes, request, (error, reply) =>
    error === null ? resolve(reply) : reject(error),
  );
  const reader = new BinaryReader((await promise) ?? new Uint8Array());
  reader.tag();
  return reader.int32();
}

/** Asks one question of the reflection service: field 7 lists services, field 4 asks for the file of a symbol. */
async function reflect(client: Client, field: 4 | 7, text: string): Promise<readonly Uint8Array[]> {
  const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const stream = client.makeBidiStreamRequest(path, bytes, bytes);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  stream.on("data", resolve);
  stream.on("error", reject);
  stream.write(Buffer.from(new BinaryWriter().tag(field, WireType.LengthDelimited).string(text).finish()));
  const reply = await promise;
  stream.end();
  // Field 4 of the reply holds files, field 6 services; both repeat their field 1.
  const [answer] = partsOf(reply, field === 4 ? 4 : 6);
  return partsOf(answer ?? new Uint8Array(), 1);
}

/** Every length-delimited occurrence of a field. */
function partsOf(message: Uint8Array, wanted: number): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.LengthDelimited) parts.push(reader.bytes());
    else reader.skip(type);
  }
  return parts;
}
