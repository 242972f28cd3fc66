"""Data-parallel training that goes on after the death of a process.

export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
torchrun --standalone --nproc-per-node 2 --max-restarts 3 train_ddp.py
"""

import argparse
import gc
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64, help="samples of all ranks")
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--checkpoint", default="checkpoint.pt")
    return parser.parse_args()


def data():
    """Put your own here: the same data set on every rank."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1024, 20, generator=generator)
    y = (x @ torch.randn(20, 3, generator=generator)).argmax(dim=1)
    return TensorDataset(x, y)


def network():
    """Put your own here."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))


def join():
    """Meet the other ranks; returns this one's device."""
    cuda = torch.cuda.is_available()
    backend = "nccl" if cuda else "gloo"
    device = torch.device("cpu")
    if cuda:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if dist.is_torchelastic_launched():
        dist.init_process_group(backend)
    else:  # started by python: the only rank
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    return device


def save(path, **state):
    """All or nothing: the old checkpoint is there until the new one is complete."""
    torch.save(state, f"{path}.part")
    os.replace(f"{path}.part", path)


def train(args, device):
    rank, world = dist.get_rank(), dist.get_world_size()
    if args.batch % world:
        raise SystemExit(f"a batch of {args.batch} cannot be divided among {world}")
    dataset, model = data(), network().to(device)
    sampler = DistributedSampler(dataset, drop_last=True)
    loader = DataLoader(dataset, args.batch // world, sampler=sampler, drop_last=True)
    if not loader:
        raise SystemExit(f"{len(dataset)} samples are less than one batch")
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
    first = 0
    if os.path.exists(args.checkpoint):
        kept = torch.load(args.checkpoint, map_location=device)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        first = kept["epoch"]
        if rank == 0:
            print(f"{args.checkpoint}: going on after epoch {first}", flush=True)
    parallel = DistributedDataParallel(model)
    for epoch in range(first, args.epochs):
        sampler.set_epoch(epoch)  # a new order
        torch.manual_seed(epoch * world + rank)  # dropout: new on each rank
        total = torch.zeros(1, device=device)
        for x, y in loader:
            loss = nn.functional.cross_entropy(parallel(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() / len(loader) / world
        dist.all_reduce(total)  # on every rank, though only one prints
        if rank == 0:
            print(f"epoch {epoch + 1} loss {total.item():.6f}", flush=True)
            save(args.checkpoint, epoch=epoch + 1, model=model.state_dict(),
                 optimizer=optimizer.state_dict())


def main():
    args, device = options(), join()
    train(args, device)
    gc.collect()  # else the wrapper, in a cycle, ends too late for gloo's threads
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
