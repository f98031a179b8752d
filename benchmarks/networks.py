# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
"""The twins of networks.hpp in PyTorch."""
import torch
from torch import nn
from torch.nn import functional as F


def lenet():
    return nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Flatten(),
                         nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def block(channels_in, channels_out):
    return [nn.Conv2d(channels_in, channels_out, 3), nn.MaxPool2d(2), nn.ReLU()]


class BasicBlock(nn.Module):
    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels_out), nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))


def resnet18():
    sizes = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]
    return nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), *(BasicBlock(*s) for s in sizes),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def train_step(net, loss):
    sgd = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)

    def step():
        sgd.zero_grad()
        loss(net).backward()
        sgd.step()
    return step


def classify(net, batch, size, dtype=torch.float):
    x, y = torch.randn(batch, 3, size, size, dtype=dtype), torch.randint(0, 10, (batch,))
    return train_step(net().to(dtype), lambda net: F.cross_entropy(net(x), y))


def multi_classifier(batch=8):
    net = nn.Sequential(*block(3, 64), *block(64, 128), *block(128, 256), *block(256, 512), nn.Flatten(), nn.Linear(2048, 1024), nn.ReLU(),
                        nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 40), nn.Sigmoid())
    x, y = torch.rand(batch, 3, 64, 64), (torch.rand(batch, 40) > 0.5).float()
    return train_step(net, lambda net: F.binary_cross_entropy(net(x), y))


def lstm():
    x = torch.randn(32, 16, 64)
    return train_step(nn.LSTM(64, 128), lambda net: net(x)[0].square().mean())


def encoder_layer(batch=8, positions=64, width=128, heads=4):
    x = torch.randn(batch, positions, width)
    net = nn.TransformerEncoderLayer(width, heads, dim_feedforward=4 * width, dropout=0.0, batch_first=True)
    return train_step(net, lambda net: net(x).square().mean())


def attention():
    q, k, v = (torch.randn(8, 4, 128, 32, requires_grad=True) for _ in range(3))

    def step():
        F.scaled_dot_product_attention(q, k, v).sum().backward()
        q.grad = k.grad = v.grad = None
    return step


STEPS = {
    **{f"lenet_{batch}": (lambda batch=batch: classify(lenet, batch, 32)) for batch in (4, 64, 256)},
    "multi_classifier": multi_classifier, "resnet18": lambda: classify(resnet18, 16, 32),
    "lstm": lstm, "attention": attention, "encoder_layer": encoder_layer,
}
