/**
 * Graphs and their derivatives directly, without layers: minimises Rosenbrock's function f(x, y) = (1 - x)^2 + 100 (y - x^2)^2,
 * whose minimum is 0 at (1, 1), by Newton's method. Gradient and Hessian are graphs made from the graph of f.
 *
 *     node --import ./scripts/typescript.mjs examples/gradients/rosenbrock.ts
 */
import { backward, createNodeBackend, Emitter, numbersOf, table, tensor, writeModel } from 'quern/engine'

const g = new Emitter(table)
const x = g.builder.input('x', { dtype: 'float64', shape: [] })
const y = g.builder.input('y', { dtype: 'float64', shape: [] })
const [a, b] = [g.sub(1, x), g.sub(y, g.mul(x, x))]
const f = g.add(g.mul(a, a), g.mul(g.mul(b, b), 100))

// The gradient is nodes of the same graph, so it can be differentiated again.
const [fx, fy] = backward(g, f, [x, y]) as [typeof f, typeof f]
const [fxx, fxy] = backward(g, fx, [x, y]) as [typeof f, typeof f]
const [fyy] = backward(g, fy, [y]) as [typeof f]
// Each output is a value of its own: the second derivative by y is the constant 200.
const graph = g.builder.finish([f, fx, fy, fxx, fxy, fyy].map((value) => g.op('Identity', [value])))
const session = await createNodeBackend().createSession(writeModel(graph).model)

let [px, py] = [-1.2, 1]
for (let step = 0; step <= 10; step++) {
  const results = await session.run({
    x: tensor('float64', [], Float64Array.of(px)),
    y: tensor('float64', [], Float64Array.of(py)),
  })
  const [value, dx, dy, dxx, dxy, dyy] = graph.outputs.map(({ name }) => numbersOf(results[name]!)[0]!) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  console.log(`step ${step}  f(${px.toFixed(6)}, ${py.toFixed(6)}) = ${value.toExponential(3)}`)
  if (value < 1e-20) break
  // Solves H d = -gradient for the two unknowns.
  const determinant = dxx * dyy - dxy * dxy
  px -= (dyy * dx - dxy * dy) / determinant
  py -= (dxx * dy - dxy * dx) / determinant
}
await session.release()
