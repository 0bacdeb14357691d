/** The parts of the decoders of DICOM's compressed pixels that dicom-codecs.ts uses: their packages bring no types. */
declare module '@cornerstonejs/codec-charls/decodewasmjs' {
  interface FrameInfo {
    readonly width: number
    readonly height: number
    readonly bitsPerSample: number
    readonly componentCount: number
  }

  interface JpegLSDecoder {
    /** memory that the encoded bytes are written to */
    getEncodedBuffer(length: number): Uint8Array
    decode(): void
    getDecodedBuffer(): Uint8Array
    getFrameInfo(): FrameInfo
    /** 0: one plane after the other; 1, 2: samples of a pixel side by side */
    getInterleaveMode(): number
    delete(): void
  }

  const load: () => Promise<{ readonly JpegLSDecoder: new () => JpegLSDecoder }>
  export = load
}

declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  interface FrameInfo {
    readonly width: number
    readonly height: number
    readonly bitsPerSample: number
    readonly componentCount: number
  }

  interface J2KDecoder {
    getEncodedBuffer(length: number): Uint8Array
    decode(): void
    getDecodedBuffer(): Uint8Array
    getFrameInfo(): FrameInfo
    delete(): void
  }

  const load: (options?: { print?: () => void; printErr?: () => void }) => Promise<{
    readonly J2KDecoder: new () => J2KDecoder
  }>
  export = load
}

declare module 'jpeg-lossless-decoder-js' {
  class Decoder {
    /** elements of one or two bytes; samples of a pixel side by side */
    decompress(buffer: ArrayBufferLike, offset: number, length: number): ArrayBuffer
  }
  const jpeg: { readonly lossless: { readonly Decoder: typeof Decoder } }
  export = jpeg
}
