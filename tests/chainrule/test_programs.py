"""Programs written for PyTorch, run a second time with their imports changed: every variable comes out the same.

Each is one of the kinds that public courses are made of. What they draw at random is drawn before, in NumPy.
"""

import re

import numpy as np
import pytest
import torch

import chainrule

PROGRAMS = {
    "bigrams, counted and learned": """
import torch
import torch.nn.functional as F

names = ["emma", "olivia", "ava", "mia"]
letters = ["."] + sorted(set("".join(names)))
stoi = {s: i for i, s in enumerate(letters)}
N = torch.zeros((len(letters), len(letters)), dtype=torch.int32)
xs, ys = [], []
for name in names:
    for a, b in zip("." + name, name + "."):
        N[stoi[a], stoi[b]] += 1
        xs.append(stoi[a])
        ys.append(stoi[b])
P = (N + 1).double()
P /= P.sum(1, keepdims=True)
xs, ys = torch.tensor(xs), torch.tensor(ys)
likelihood = P[xs, ys].log().mean().item()
W = torch.tensor(draw(len(letters), len(letters)), requires_grad=True)
for step in range(5):
    xenc = F.one_hot(xs, num_classes=len(letters)).double()
    counts = (xenc @ W).exp()
    probs = counts / counts.sum(1, keepdims=True)
    loss = -probs[torch.arange(ys.nelement()), ys].log().mean() + 0.01 * (W**2).mean()
    W.grad = None
    loss.backward()
    W.data += -5 * W.grad
best = torch.multinomial(torch.eye(len(letters))[3], num_samples=1, replacement=True).item()
""",
    "a perceptron by hand, with data": """
import torch

C = torch.tensor(draw(10, 2))
W1, b1 = torch.tensor(draw(6, 8)), torch.zeros(8, dtype=torch.double)
W2, b2 = torch.tensor(draw(8, 10)), torch.zeros(10, dtype=torch.double)
gain, shift = torch.ones((1, 8), dtype=torch.float64), torch.zeros((1, 8), dtype=torch.float64)
parameters = [C, W1, b1, W2, b2, gain, shift]
count = sum(p.nelement() for p in parameters)
for p in parameters:
    p.requires_grad = True
X, Y = torch.tensor(whole(10, 20, 3)), torch.tensor(whole(10, 20))
lossi = []
for i in range(6):
    emb = C[X]
    pre = emb.view(emb.shape[0], -1) @ W1 + b1
    mean, std = pre.mean(0, keepdim=True), pre.std(0, keepdim=True)
    h = torch.tanh(gain * (pre - mean) / std + shift)
    logits = h @ W2 + b2
    loss = torch.nn.functional.cross_entropy(logits, Y)
    for p in parameters:
        p.grad = None
    loss.backward()
    lr = 0.1 if i < 3 else 0.01
    for p in parameters:
        p.data += -lr * p.grad
    lossi.append(loss.log10().item())
with torch.no_grad():
    top = torch.topk(logits, 3)
    values, places = top.values, top.indices
    ordered, order = torch.sort(logits, dim=1, descending=True)
    largest, index = logits.max(1)
    hits = index.eq(Y.view_as(index)).sum().item()
""",
    "a module of one's own, a data set, and a loop": """
import torch
from torch import nn, optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset, TensorDataset

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.manual_seed(0)


class Points(Dataset):
    def __init__(self, x, y):
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 8), nn.Linear(8, 3)])
        self.heads = nn.ModuleDict({"relu": nn.ReLU(inplace=True), "tanh": nn.Tanh()})
        self.register_buffer("scale", torch.full((1,), 2.0, dtype=torch.float64))

    def forward(self, x):
        x = self.heads["relu"](self.layers[0](x))
        return self.layers[1](self.heads["tanh"](x) * self.scale)


def init(m):
    if isinstance(m, nn.Linear):
        m.weight.data.copy_(torch.tensor(draw(*m.weight.shape)))
        nn.init.zeros_(m.bias)


model = Net().to(device).double()
model.apply(init)
criterion = nn.CrossEntropyLoss(reduction="sum")
optimizer = optim.Adam(model.parameters(), lr=0.05)
scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
loader = DataLoader(Points(draw(10, 4), whole(3, 10)), batch_size=4, shuffle=False)
losses = []
for epoch in range(4):
    model.train()
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.item() * x.size(0))
    scheduler.step()
model.eval()
correct, total = 0, 0
with torch.inference_mode():
    for x, y in DataLoader(TensorDataset(*loader.dataset[:]), batch_size=5):
        _, predicted = torch.max(model(x), 1)
        total += y.size(0)
        correct += (predicted == y).sum().item()
state = {name: value.numpy() for name, value in model.state_dict().items()}
names = list(state)
weights = torch.cat([p.detach().flatten() for p in model.parameters()])
""",
    "images": """
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1)
        self.bn = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout2d(0.25)
        self.fc = nn.LazyLinear(3)

    def forward(self, x):
        x = F.relu(self.bn(self.conv1(x)))
        x = F.max_pool2d(x, 2)
        x = torch.flatten(self.dropout(x), 1)
        return F.log_softmax(self.fc(x), dim=1)


model = Net().double()
data, target = torch.tensor(draw(6, 1, 8, 8)), torch.tensor(whole(3, 6))
model.eval()
model(data)
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(draw(*p.shape)) / 3)
out = model(data)
loss = F.nll_loss(out, target)
loss.backward()
grads = [p.grad.clone() for p in model.parameters()]
pred = out.argmax(dim=1, keepdim=True)
correct = pred.eq(target.view_as(pred)).sum().item()
summed = F.nll_loss(out, target, reduction="sum").item()
same = F.cross_entropy(out, target, ignore_index=1, label_smoothing=0.1).item()
spread = F.adaptive_avg_pool2d(data, 2).swapaxes(2, 3).contiguous().view(6, -1)
""",
    "attention": """
import math
import torch
from torch import nn
from torch.nn import functional as F

B, T, E, H = 2, 5, 8, 2
x = torch.tensor(draw(B, T, E), requires_grad=True)
w = torch.tensor(draw(3 * E, E), requires_grad=True)
bias = torch.tril(torch.ones(T, T)).view(1, 1, T, T)
q, k, v = F.linear(x, w).split(E, dim=2)
k = k.view(B, T, H, E // H).transpose(1, 2)
q = q.view(B, T, H, E // H).transpose(1, 2)
v = v.view(B, T, H, E // H).transpose(1, 2)
att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
att = att.masked_fill(bias[:, :, :T, :T] == 0, float("-inf"))
att = F.softmax(att, dim=-1)
y = (att @ v).transpose(1, 2).contiguous().view(B, T, E)
y = F.layer_norm(y, (E,))
same = F.scaled_dot_product_attention(q, k, v, None, 0.0, True)
lengths = torch.tensor([3, 5])
hidden = torch.arange(T)[None, :] < lengths[:, None]
scores = torch.bmm(x, x.permute(0, 2, 1))
flat = scores.reshape(-1, T)
flat[~hidden.repeat_interleave(T, 0)] = -1e6
weights = F.softmax(flat.reshape(scores.shape), dim=-1)
loss = F.mse_loss(y, same.transpose(1, 2).reshape(B, T, E)) + (weights * scores).sum()
loss.backward()
gx, gw = x.grad, w.grad
""",
    "tensors": """
import torch

x = torch.arange(12, dtype=torch.float64).reshape(3, 4)
y = torch.linspace(-1, 1, 4, dtype=torch.double)
a, b = torch.meshgrid(torch.arange(3), torch.arange(2), indexing="ij")
parts = [torch.zeros_like(x), torch.ones_like(x), torch.eye(3), torch.full((2, 2), 7)]
hyperbolic = torch.sinh(y), torch.cosh(y), torch.dot(y, y), torch.mm(x, x.t())
bounded = x.clamp(min=2).clip(max=7), torch.clamp(x, 3, 5), torch.max(x, x.flip(0)), torch.min(x, dim=1)[1]
sizes = x.size(), x.size(0), x.dim(), x.numel(), len(x), x.ndim
kinds = x.type(torch.float32).sum(), x.long() // 5, x.int() % 5, (x > 5).all(dim=1), x.float().dtype == torch.float
index = [10, 20, 30][x[0, 2].long()], list(range(torch.tensor(3)))
sq = torch.arange(18).reshape(2, 3, 3)
mixed = sq[0, :, [0, 2]], sq[1, [0, 2], :, None], sq[:, 1, torch.tensor([0, 2])]
z = torch.zeros(2, 3, 3, dtype=torch.float64)
z[0, :, [0, 1, 2]] = x[:, :3]
z[1].fill_(3).add_(1, alpha=2).mul_(2)
shapes = x.unsqueeze(0).squeeze(0).narrow(1, 1, 2), x.expand(2, 3, 4).sum(), x.view(-1, 2), x.repeat(2, 1)
norms = x.norm(), x.norm(1, dim=0), x.std(unbiased=False), x.var(0), x.cumsum(1), x.prod(1)
lo = torch.tensor([1.0, 6.0, 2.0, 9.0], dtype=torch.double, requires_grad=True)
torch.clamp(x, min=lo).sum().backward()
bound = lo.grad
g = torch.Generator().manual_seed(3)
where = torch.where(x > 4, x, -x), torch.stack([y, y], dim=1), torch.cat((x, x), dim=0), torch.tril(x), torch.triu(x, 1)
loss = torch.nn.BCELoss()(torch.sigmoid(y), torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.double))
more = torch.nn.L1Loss()(x, x + 1), torch.nn.MSELoss(reduction="sum")(x, x - 2)
last = torch.nn.NLLLoss()(x, torch.tensor([1, 2, 3]))
""",
}


def changed(program):
    """The program with its imports changed, and nothing else."""
    program = re.sub(r"(?m)^(from|import) torch\b(?=[. ])", r"\1 chainrule", program)
    return re.sub(r"(?m)^import torch$", "import chainrule as torch", program)


def run(program):
    rng = np.random.default_rng(0)
    names = {
        "draw": lambda *shape: rng.standard_normal(shape),
        "whole": lambda n, *shape: rng.integers(0, n, shape),
    }
    exec(compile(program, "program", "exec"), names)
    return names


def numbers(value):
    """A variable as arrays, if it is made of numbers."""
    if isinstance(value, torch.Tensor | chainrule.Tensor):
        yield value.detach().numpy()
    elif isinstance(value, bool | int | float | np.ndarray):
        yield np.asarray(value)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, dict):
        yield from numbers(list(value.values()))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gives_the_same_with_another_import(name):
    theirs, ours = run(PROGRAMS[name]), run(changed(PROGRAMS[name]))
    assert theirs.keys() == ours.keys()
    compared = 0
    for variable, wanted in theirs.items():
        if variable == "__builtins__" or isinstance(wanted, type(np)):
            continue
        for a, b in zip(numbers(wanted), numbers(ours[variable]), strict=True):
            assert a.dtype == b.dtype, variable
            np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12, err_msg=variable)
            compared += 1
    assert compared > 8
