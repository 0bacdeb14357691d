/** Sounds at another rate: band-limited interpolation (Smith and Gossett 1984), a sinc under a Hann window of 16 zero crossings on each side. */

const crossings = 16

/** Samples at the rate `to`; as they are when it is the same. Above the lower of both rates' half, nothing is left. */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return samples
  const ratio = Math.min(1, to / from)
  const reach = crossings / ratio
  return Float32Array.from({ length: Math.floor((samples.length * to) / from) }, (_, i) => {
    const centre = (i * from) / to
    let sum = 0
    for (let j = Math.max(0, Math.ceil(centre - reach)); j <= Math.min(samples.length - 1, centre + reach); j++) {
      const distance = j - centre
      const x = Math.PI * distance * ratio
      const sinc = x === 0 ? 1 : Math.sin(x) / x
      sum += samples[j]! * sinc * ratio * (0.5 + 0.5 * Math.cos((Math.PI * distance) / reach))
    }
    return sum
  })
}
