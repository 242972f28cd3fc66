"""Reverse mode on single numbers: the whole idea in one short class.

After Griewank and Walther, Evaluating Derivatives, 2008, section 3.2; the design of a scalar with a gradient
follows micrograd (A. Karpathy, 2020). The array engine of `chainrule.autograd` does the same with arrays.
"""

import math


class Value:
    """A number that knows its parents, and its slope with respect to each of them.

    Args:
        data: the number.
        parents: pairs (parent, local slope): how this value moves when that parent does.
    """

    def __init__(self, data, parents=()):
        self.data = data
        self.grad = 0.0
        self.parents = parents

    def __add__(self, y):
        y = y if isinstance(y, Value) else Value(y)
        return Value(self.data + y.data, [(self, 1.0), (y, 1.0)])

    def __mul__(self, y):
        y = y if isinstance(y, Value) else Value(y)
        return Value(self.data * y.data, [(self, y.data), (y, self.data)])

    def __pow__(self, n):
        out, steep = self.data**n, self.data == 0 and 0 < n < 1  # the slope of a root at 0 is infinite
        if isinstance(out, complex):
            raise ValueError(f"{self.data} ** {n} is no real number")
        return Value(out, [(self, math.inf if steep else n * self.data ** (n - 1) if n else 0.0)])

    def exp(self):
        """Exponential: e to the power of this value."""
        out = math.exp(self.data)
        return Value(out, [(self, out)])

    def log(self):
        """Natural logarithm of this value."""
        return Value(math.log(self.data), [(self, 1 / self.data)])

    def tanh(self):
        """Hyperbolic tangent of this value."""
        out = math.tanh(self.data)
        return Value(out, [(self, 1 - out**2)])

    def sigmoid(self):
        """1 / (1 + exp(-x)) of this value."""
        out = (1 + math.tanh(self.data / 2)) / 2
        return Value(out, [(self, out * (1 - out))])

    def relu(self):
        """This value if it is positive, else 0."""
        return Value(max(self.data, 0.0), [(self, float(self.data > 0))])

    def backward(self):
        """Add to the grad of every value behind this one how this one moves with it."""
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            value, finished = stack.pop()
            if finished:
                order.append(value)
            elif value not in seen:
                seen.add(value)
                stack += [(value, True), *((parent, False) for parent, _ in value.parents)]
        flow = dict.fromkeys(order, 0.0) | {self: 1.0}
        for value in reversed(order):
            value.grad += flow[value]
            for parent, slope in value.parents:
                flow[parent] += flow[value] * slope

    def __neg__(self):
        return self * -1.0

    def __sub__(self, y):
        return self + -y

    def __rsub__(self, x):
        return -self + x

    def __truediv__(self, y):
        return self * y**-1

    def __rtruediv__(self, x):
        return self**-1 * x

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    __radd__ = __add__
    __rmul__ = __mul__
