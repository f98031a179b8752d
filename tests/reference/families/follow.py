"""The losses of the first 100 steps of small networks. Data, parameters, orders and dropped elements all come from the seed alone, so a
program that draws the same numbers, and computes the same, follows them step by step: tests/train/follow_pytorch_test.cpp."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

STEPS = 100


def losses(dtype, net, criterion, optimizer, batches, scheduler=None):
    """batches: an endless iterator over (inputs, targets)."""
    found = []
    for _ in range(STEPS):
        x, y = next(batches)
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        found.append(loss.detach())
    return torch.stack(found)


def endless(loader):
    while True:
        yield from loader


def mlp(dtype):
    x = torch.randn(64, 2, dtype=dtype)
    y = (x[:, :1] * x[:, 1:] > 0).to(dtype)
    net = nn.Sequential(nn.Linear(2, 5, dtype=dtype), nn.ReLU(), nn.Linear(5, 1, dtype=dtype))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    return losses(dtype, net, nn.BCEWithLogitsLoss(), optimizer, endless([(x, y)]))


def classifier(dtype):
    y = torch.randint(0, 10, (300,))
    x = torch.randn(300, 64, dtype=dtype) + 0.25 * torch.randn(10, 64, dtype=dtype)[y]
    net = nn.Sequential(nn.Linear(64, 32, dtype=dtype), nn.ReLU(), nn.Linear(32, 10, dtype=dtype))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
    return losses(dtype, net, nn.CrossEntropyLoss(), optimizer, endless(loader))


def lenet(dtype):
    x, y = torch.randn(80, 1, 12, 12, dtype=dtype), torch.randint(0, 10, (80,))
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, dtype=dtype),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 2, dtype=dtype),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 32, dtype=dtype),
        nn.ReLU(),
        nn.Linear(32, 10, dtype=dtype),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
    return losses(dtype, net, nn.CrossEntropyLoss(), optimizer, endless(loader))


class Tagger(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.embedding = nn.Embedding(20, 8, dtype=dtype)
        self.lstm = nn.LSTM(8, 12, batch_first=True, dtype=dtype)
        self.norm = nn.BatchNorm1d(12, dtype=dtype)
        self.head = nn.Linear(12, 3, dtype=dtype)

    def forward(self, x):
        y, _ = self.lstm(self.embedding(x))
        return self.head(self.norm(y[:, -1]))


def lstm(dtype):
    x, y = torch.randint(0, 20, (50, 7)), torch.randint(0, 3, (50,))
    net = Tagger(dtype)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.005, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 30, 0.5)
    loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(5))
    return losses(dtype, net, nn.CrossEntropyLoss(), optimizer, endless(loader), scheduler)


def dropout(dtype):
    x = torch.rand(40, 6, dtype=dtype)
    y = x.square().sum(1, keepdim=True)
    net = nn.Sequential(
        nn.Linear(6, 16, dtype=dtype), nn.Tanh(), nn.Dropout(0.2), nn.LayerNorm(16, dtype=dtype), nn.GELU(), nn.Linear(16, 1, dtype=dtype)
    )
    optimizer = torch.optim.RMSprop(net.parameters(), lr=0.002)
    loader = DataLoader(TensorDataset(x, y), batch_size=9, shuffle=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    return losses(dtype, net, nn.MSELoss(), optimizer, endless(loader), scheduler)


def autoencoder(dtype):
    x = torch.randn(24, 1, 8, 8, dtype=dtype)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, dtype=dtype),
        nn.BatchNorm2d(4, dtype=dtype),
        nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1, dtype=dtype),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    loader = DataLoader(TensorDataset(x, x), batch_size=8, shuffle=True)
    return losses(dtype, net, nn.MSELoss(), optimizer, endless(loader))


NETWORKS = {"mlp": mlp, "classifier": classifier, "lenet": lenet, "lstm": lstm, "dropout": dropout, "autoencoder": autoencoder}


def follow(f):
    for name, train in NETWORKS.items():
        for dtype in (torch.float32, torch.float64):
            torch.manual_seed(2020)
            loss = train(dtype)
            f.record(name, {"dtype": str(dtype).split(".")[1], "seed": 2020}, {}, {"loss": loss})
