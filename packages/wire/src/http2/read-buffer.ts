const READ_BYTES = 65_536;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

/**
 * The buffer a socket reads into. A read is used up before the next one starts, so all sockets of a thread share one;
 * on Windows the system fills buffers before anybody asks, and each socket needs its own.
 */
export function readBuffer(): Buffer {
  return process.platform === 'win32' ? Buffer.allocUnsafeSlow(READ_BYTES) : shared;
}
