// The module: every kernel by name. No allocation, no state, no static data: all addresses come from the caller.
export { adadelta, adagrad, lamb, lion, nadam, rmsprop } from './adaptive'
export { columnSquares, factoredDirection, rowSquares, wholeDirection } from './factored'
export { adam, momentum, nesterov, sgd } from './update'
export { approach, axpy, clamp, copy, fill, flush, multiply, penalty, scale } from './vector'
export { firstNonFinite, sumOfAbsolutes, sumOfSquares } from './reduce'
export { dropoutMask, normal, uniform } from './random'
