# headtorch: tensors and autograd for C++20.
# SPDX-License-Identifier: MIT
"""Makes the traces in tests/parity/data/, which tests/train/parity_test.cpp replays: python make_traces.py"""

import os

import torch
import torch.nn.functional as F
from torch import nn

from parity_trace import trace

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


class LeNet(nn.Module):
    """Convolutions, statistics, dropout: all of them modules."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(3, eps=1e-3)
        self.act1 = nn.LeakyReLU(0.2)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(3, 4, 3)
        self.act2 = nn.ELU(alpha=0.5)
        self.pool2 = nn.AvgPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(16, 8)
        self.act3 = nn.ReLU()
        self.dropout = nn.Dropout(0.25)
        self.fc2 = nn.Linear(8, 3)

    def forward(self, x):
        x = self.pool1(self.act1(self.bn1(self.conv1(x))))
        x = self.pool2(self.act2(self.conv2(x)))
        x = self.act3(self.fc1(self.flatten(x)))
        return self.fc2(self.dropout(x))


class Mlp(nn.Module):
    """Functions between the modules, a residual, square weights; double."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 6)
        self.norm = nn.LayerNorm(6, eps=1e-6)
        self.gelu = nn.GELU(approximate="tanh")
        self.mix = nn.Linear(6, 6)
        self.fc2 = nn.Linear(6, 1)

    def forward(self, x):
        x = self.gelu(self.norm(self.fc1(x)))
        x = x + torch.tanh(self.mix(x))
        return torch.sigmoid(self.fc2(x))


class Tagger(nn.Module):
    """Integers in, a recurrent layer, attention, a softmax."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 6)
        self.lstm = nn.LSTM(6, 6, batch_first=True)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.fc = nn.Linear(6, 4)
        self.log_softmax = nn.LogSoftmax(dim=1)

    def forward(self, tokens):
        x, _ = self.lstm(self.embedding(tokens))
        y, _ = self.attention(x, x, x)
        return self.log_softmax(self.fc(y.mean(1)))


class Images(nn.Module):
    """What is not printed, borders, groups, and images whose channels come last before they are flattened."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect", bias=False)
        self.norm = nn.GroupNorm(2, 4)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.fc = nn.Linear(4 * 8 * 6, 2)

    def forward(self, x):
        x = self.up(F.relu(self.norm(self.conv(x))))
        return self.fc(x.permute(0, 2, 3, 1).flatten(1))


def main():
    os.makedirs(DATA, exist_ok=True)

    def file(name):
        return os.path.join(DATA, name + ".safetensors")

    torch.manual_seed(1)
    net, x, y = LeNet(), torch.randn(2, 1, 12, 12), torch.tensor([0, 2])
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    trace(net, x, file("lenet_train"), y, nn.CrossEntropyLoss(label_smoothing=0.1), sgd, 3)
    net.bn1.running_mean.normal_()
    net.bn1.running_var.uniform_(0.5, 2)
    trace(net.eval(), x, file("lenet_eval"), y, nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters(), lr=0.01), 2)

    torch.manual_seed(2)
    net = Mlp().double()
    rmsprop = torch.optim.RMSprop([{"params": net.fc1.parameters(), "lr": 0.02},
                                   {"params": [p for n, p in net.named_parameters() if not n.startswith("fc1.")]}], lr=0.01, momentum=0.5)
    trace(net, torch.randn(5, 4).double(), file("mlp"), torch.rand(5, 1).double(), nn.BCELoss(), rmsprop, 5)

    torch.manual_seed(3)
    net = Tagger()
    trace(net, torch.randint(7, (3, 5)), file("tagger"), torch.tensor([1, 0, 3]), nn.NLLLoss(), torch.optim.AdamW(net.parameters(), lr=0.01), 3)

    torch.manual_seed(4)
    net = Images()
    trace(net, torch.randn(2, 2, 4, 3), file("images"), torch.randn(2, 2), lambda output, target: ((output - target) ** 4).mean(),
          torch.optim.SGD(net.parameters(), lr=0.01), 2)


if __name__ == "__main__":
    main()
