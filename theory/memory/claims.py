"""Associative memory: the scores v_j^T W u_i of W = sum C_ji v_j u_i^T, and what they recall."""

from theory.record import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="AM1",
        title="Over orthonormal keys and values the scores are the coefficients",
        statement=r"""
Let $W = \sum_{j,i} C_{ji}\, v_j u_i^\top$. If $u_1, \dots, u_n$ are orthonormal and
$v_1, \dots, v_m$ are orthonormal, then for all $i, j$
$$v_j^\top W u_i = C_{ji} .$$
""".strip(),
        assumptions=("keys are orthonormal", "values are orthonormal"),
        kind="equal",
        source="[BCBJB2023], Section 4.1",
        status="proved",
        note="""
With one-hot keys and values no rounding occurs, whatever the coefficients: the tolerance is 0.
Nothing is asked about keys against values: they may live in different spaces, or be the same.
""".strip(),
    ),
    Claim(
        id="AM2",
        title="Over random keys and values: exact mean and variance of every score",
        statement=r"""
Let $W = \sum_{j,i} C_{ji}\, v_j u_i^\top$ with keys $u_i \in \mathbb{R}^{d}$ and values
$v_j \in \mathbb{R}^{d'}$, all independent, isotropic with mean 0 and mean square norm 1;
$\kappa = \mathbb{E}\|u\|^4$ and $\kappa' = \mathbb{E}\|v\|^4$ are $1 + 2/d$ and $1 + 2/d'$ for
Gaussian rows, $1$ on the sphere and for signs. Then
$$\mathbb{E}\; v_k^\top W u_i = C_{ki} , \qquad
\mathrm{Var}\; v_k^\top W u_i = \sum_{j, l} C_{jl}^2\,
\Big(\tfrac{1 - \delta_{jk}}{d'} + \kappa' \delta_{jk}\Big)
\Big(\tfrac{1 - \delta_{li}}{d} + \kappa\, \delta_{li}\Big) - C_{ki}^2 .$$
For Gaussian rows and $d' = d$ the variance is
$$\frac{\|C\|_F^2 + (d+1)\big(\|C_{k\cdot}\|^2 + \|C_{\cdot i}\|^2\big) + (d+1)^2 C_{ki}^2}{d^2}
- C_{ki}^2 ,$$
and with $n$ pairs stored one to one ($C = I_n$) it is
$$\frac{n + 4d + 3}{d^2} \text{ for the right score}, \qquad
\frac{n + 2d + 2}{d^2} \text{ for a wrong one.}$$
""".strip(),
        assumptions=(
            "keys and values are independent families of independent rows",
            "rows have mean 0, are isotropic (E uu^T = I/d), and each family has one E ||u||^4",
        ),
        kind="equal",
        source="derived here; with the leading order in [BCBJB2023], Section 4.1",
        status="proved",
        note="""
All products of different overlaps vanish in the mean, so the squares add up: the Gram matrix G of
the keys has E G_li G_l'i = 0 for l != l', E G_li^2 = 1/d for l != i, and E G_ii^2 = kappa. The
terms with j = k or l = i, 2/d in all for a wrong score, outweigh the crosstalk n/d^2 up to n = 2d.
""".strip(),
    ),
    Claim(
        id="AM3",
        title="Recall of one-to-one memories over Gaussian vectors; capacity of order d^2 / log n",
        statement=r"""
Store $n$ pairs one to one, $W = \sum_i v_i u_i^\top$, all keys and values independent with
independent $\mathcal{N}(0, 1/d)$ entries. The probability that
$v_i^\top W u_i > \max_{k \ne i} v_k^\top W u_i$ is exactly
$$\Pr(X > Y), \qquad
X = \frac{\gamma\cos\theta + \tau\sin\theta}
{\sqrt{(\gamma\sin\theta - \tau\cos\theta)^2 + \chi^2_{n-2}}}, \qquad
\tan\theta = \frac{\chi_{n-1}}{\chi_d} ,$$
where $\gamma \sim \chi_d$, $\tau \sim \mathcal{N}(0, 1)$, all these variables are independent, and
$Y$ is the largest coordinate of an independent uniform unit vector in $\mathbb{R}^{n-1}$.
As $n, d \to \infty$, at any rates, in probability
$$X\sqrt{n-1} = (1 + o(1))\,\frac{d}{\sqrt{n - 1 + 2d}} + o(\sqrt{\ln n}) , \qquad
Y\sqrt{n-1} = (1 + o(1))\, z_n ,$$
where $z_n \sim \sqrt{2 \ln n}$ is the median of the largest of $n - 1$ standard normals,
$\Phi(z_n)^{n-1} = \tfrac12$. Let $\varepsilon > 0$. Recall tends to 1 where
$d^2 / ((n - 1 + 2d)\, z_n^2)$ stays above $1 + \varepsilon$, to 0 where it stays below
$1 - \varepsilon$, and half of the pairs are recalled only where
$$\frac{(n^* - 1 + 2d)\, z_{n^*}^2}{d^2} \to 1 , \qquad \text{hence}\quad
n^* \sim \frac{d^2}{2 \ln n^*} .$$
""".strip(),
        assumptions=(
            "keys and values are independent families with independent N(0, 1/d) entries",
            "n >= 3 pairs, each key with its own value; a tie is an error",
        ),
        kind="rate",
        source="derived here; [CDB2024] for capacity as a scaling law",
        status="proved in a limit",
        note="""
The law of X and Y is exact at every n and d; what follows it is a limit, which the derivation
proves with explicit bounds. The number d / sqrt(n - 1 + 2d) is the reciprocal of the standard
deviation of a wrong score (AM2). Where it equals z_n, n = d^2 / z_n^2 - 2d + 1: close in numbers,
though the proof gives only a factor 1 + o(1), which covers 2d. The check compares recall at two
sizes around n* for each width with the exact law, sampled through X and Y at O(n) per draw,
interpolates both to recall 1/2, and fits the exponent of n* in d to both. At the widths of the
check the exponent of n* itself is well below 2, by the logarithm and by the term 2d; that of
(n* + 2d - 1) z_n^2 is 2 up to a few hundredths. Derivation: given u_i, the overlaps
b_l = u_l^T u_i / |u_i| are N(0, 1/d) for l != i, and the scores are proportional to V V^T b; for
Gaussian V this depends on b only through its norm and direction f, V^T f and the part of V
orthogonal to f being independent; the wrong scores are then spherically symmetric.
""".strip(),
    ),
)
