"""A Llama in plain PyTorch, only as large as training needs: no cache, no dropout, causal attention over whole rows.

The names and the shapes of the parameters are those of Hugging Face (rotation in halves), so that a state_dict goes into
LlamaForCausalLM as it is; tools/mini/export.py and tools/mini/check_logits.py rely on it.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

SHAPE = dict(hidden=256, ffn=640, layers=4, heads=4, kv_heads=2, head_dim=64, context=2048, eps=1e-5, theta=500000.0)


def rotation(shape):
    """cos and sin, [context, head_dim], both halves alike."""
    d = shape["head_dim"]
    inverse = shape["theta"] ** (-torch.arange(0, d, 2).float() / d)
    angles = torch.outer(torch.arange(shape["context"]).float(), inverse)
    angles = torch.cat((angles, angles), 1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        wide, narrow = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"]
        self.q_proj = nn.Linear(s["hidden"], wide, bias=False)
        self.k_proj = nn.Linear(s["hidden"], narrow, bias=False)
        self.v_proj = nn.Linear(s["hidden"], narrow, bias=False)
        self.o_proj = nn.Linear(wide, s["hidden"], bias=False)

    def forward(self, x, cos, sin):
        rows, n, _ = x.shape
        def heads(y):
            return y.view(rows, n, -1, self.s["head_dim"]).transpose(1, 2)
        q, k, v = rotate(heads(self.q_proj(x)), cos, sin), rotate(heads(self.k_proj(x)), cos, sin), heads(self.v_proj(x))
        group = self.s["heads"] // self.s["kv_heads"]
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(rows, n, -1))


class Ffn(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj = nn.Linear(s["hidden"], s["ffn"], bias=False)
        self.up_proj = nn.Linear(s["hidden"], s["ffn"], bias=False)
        self.down_proj = nn.Linear(s["ffn"], s["hidden"], bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Norm(nn.Module):
    def __init__(self, n, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(n)), eps

    def forward(self, x):
        return (x.float() * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + self.eps)).to(x.dtype) * self.weight.to(x.dtype)


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.input_layernorm = Norm(s["hidden"], s["eps"])
        self.self_attn = Attention(s)
        self.post_attention_layernorm = Norm(s["hidden"], s["eps"])
        self.mlp = Ffn(s)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, s, vocab):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab, s["hidden"])
        self.layers = nn.ModuleList(Layer(s) for _ in range(s["layers"]))
        self.norm = Norm(s["hidden"], s["eps"])


class Llama(nn.Module):
    def __init__(self, vocab, shape=SHAPE):
        super().__init__()
        self.shape, self.model = shape, Trunk(shape, vocab)
        cos, sin = rotation(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, p in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(p)
            elif p.dim() == 2:
                nn.init.normal_(p, std=0.02 if "embed" in name else p.shape[1] ** -0.5)

    def hidden(self, ids, dtype=torch.float32):
        """[rows, n, hidden], normed, of ids [rows, n]; dtype is that of the activations between the matrices."""
        n = ids.shape[1]
        cos, sin = self.cos[:n].to(dtype), self.sin[:n].to(dtype)
        x = self.model.embed_tokens(ids).to(dtype)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return self.model.norm(x)

    def head(self, x):
        """Logits [..., vocab] of normed states [..., hidden]."""
        return F.linear(x, self.model.embed_tokens.weight.to(x.dtype))

    def forward(self, ids):
        return self.head(self.hidden(ids))
