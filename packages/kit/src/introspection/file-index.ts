import { toBinary, type DescExtension, type DescFile, type DescMessage, type DescService } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

/** Files of descriptors by what can be asked for. */
export class FileIndex {
  private readonly byName = new Map<string, DescFile>();
  private readonly bySymbol = new Map<string, DescFile>();
  private readonly extensions = new Map<string, DescExtension[]>();
  private readonly encoded = new Map<DescFile, Uint8Array>();

  constructor(services: readonly DescService[]) {
    for (const { file } of services) this.addFile(file);
  }

  findByName(name: string): DescFile | undefined {
    return this.byName.get(name);
  }

  /** By full name of a service, method, message, field, oneof, enum, value or extension. */
  findBySymbol(symbol: string): DescFile | undefined {
    return this.bySymbol.get(symbol.replace(/^\./, ''));
  }

  /** The file that declares the extension of `typeName` with this number. */
  findByExtension(typeName: string, number: number): DescFile | undefined {
    return this.extensions.get(typeName)?.find((extension) => extension.number === number)?.file;
  }

  /** Numbers of the extensions of a message, ascending; undefined when there is no such message. */
  extensionNumbers(typeName: string): number[] | undefined {
    if (!this.bySymbol.has(typeName)) return undefined;
    return (this.extensions.get(typeName) ?? []).map(({ number }) => number).sort((a, b) => a - b);
  }

  /** A file with all that it imports, each once and imports first. */
  withImports(file: DescFile, found = new Set<DescFile>()): Set<DescFile> {
    if (found.has(file)) return found;
    for (const dependency of file.dependencies) this.withImports(dependency, found);
    return found.add(file);
  }

  encode(file: DescFile): Uint8Array {
    let bytes = this.encoded.get(file);
    if (bytes === undefined) {
      bytes = toBinary(FileDescriptorProtoSchema, file.proto);
      this.encoded.set(file, bytes);
    }
    return bytes;
  }

  private addFile(file: DescFile): void {
    if (this.byName.has(file.proto.name)) return;
    this.byName.set(file.proto.name, file);
    for (const dependency of file.dependencies) this.addFile(dependency);
    for (const service of file.services) {
      this.addSymbol(service.typeName, file);
      for (const { name } of service.methods) this.addSymbol(`${service.typeName}.${name}`, file);
    }
    for (const message of file.messages) this.addMessage(message);
    this.addScope(file, file);
  }

  private addMessage(message: DescMessage): void {
    const { file, typeName } = message;
    this.addSymbol(typeName, file);
    for (const { name } of [...message.fields, ...message.oneofs]) this.addSymbol(`${typeName}.${name}`, file);
    for (const nested of message.nestedMessages) this.addMessage(nested);
    this.addScope({ enums: message.nestedEnums, extensions: message.nestedExtensions }, file);
  }

  private addScope({ enums, extensions }: Pick<DescFile, 'enums' | 'extensions'>, file: DescFile): void {
    for (const { typeName, values } of enums) {
      this.addSymbol(typeName, file);
      // The names of values stand beside their enum, not in it.
      const scope = typeName.slice(0, typeName.lastIndexOf('.') + 1);
      for (const { name } of values) this.addSymbol(scope + name, file);
    }
    for (const extension of extensions) {
      this.addSymbol(extension.typeName, file);
      const known = this.extensions.get(extension.extendee.typeName);
      if (known === undefined) this.extensions.set(extension.extendee.typeName, [extension]);
      else known.push(extension);
    }
  }

  private addSymbol(symbol: string, file: DescFile): void {
    this.bySymbol.set(symbol, file);
  }
}
