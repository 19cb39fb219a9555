// Server reflection: tells callers such as grpcurl what there is, so that they need no proto files. Turns the
// generated descriptors, with everything they import, into the form that @grpc/reflection takes.

import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { ReflectionService } from "@grpc/reflection";
import { Health } from "@muster/protocol/health";

/** What @grpc/reflection takes, and the one field of it that is read. */
type Package = ConstructorParameters<typeof ReflectionService>[0];

/** A reflection service for these services and for health. */
export function createReflection(services: readonly DescService[]): ReflectionService {
  const files = new Set<DescFile>();
  for (const { file } of [...services, Health]) collect(file, files);
  const fileDescriptorProtos = [...files].map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  const types = { muster: { fileDescriptorProtos } };
  return new ReflectionService(types as unknown as Package); // of a package only its descriptors are read
}

/** A file after everything that it imports. */
function collect(file: DescFile, into: Set<DescFile>): void {
  for (const imported of file.dependencies) collect(imported, into);
  into.add(file);
}
