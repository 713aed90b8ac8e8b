using FsCheck;
using FsCheck.Fluent;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights.Transfer;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Weights.Transfer;

public sealed class WeightManifestTests
{
    [Fact]
    public void What_is_written_is_read() => Prop.ForAll(Manifests(), manifest =>
    {
        var read = WeightManifest.Decode(manifest.Encode());

        Assert.Equal(manifest.Policy, read.Policy);
        Assert.Equal(manifest.Checksums, read.Checksums);
        Assert.Equal(
            manifest.Layout.Tensors.Select(tensor => tensor.ToString()),
            read.Layout.Tensors.Select(tensor => tensor.ToString()));
    }).Holds();

    [Fact]
    public void Whatever_else_comes_is_refused_and_nothing_worse() => Prop.ForAll(
        Manifests(),
        (from at in Gen.Choose(0, 400)
         from value in Gen.Choose(0, 255)
         from cut in Gen.Choose(0, 30)
         select (At: at, Value: (byte)value, Cut: cut)).ToArbitrary(),
        (manifest, change) =>
        {
            var bytes = manifest.Encode();
            if (bytes.Length > 0)
                bytes[change.At % bytes.Length] = change.Value;
            bytes = bytes[..Math.Max(0, bytes.Length - change.Cut)];
            try
            {
                WeightManifest.Decode(bytes);
            }
            catch (InvalidDataException)
            {
            }
        }).Holds(runs: 1000);

    [Fact]
    public void A_layout_says_where_another_differs()
    {
        using var model = TinyModels.Random(TinyModels.Qwen2);
        using var other = TinyModels.Random(TinyModels.Mistral);
        var layout = TransferLayout.Of(model);

        Assert.Null(layout.WhyNot(layout));
        Assert.StartsWith("expected model.layers.0.self_attn.q_proj.bias", layout.WhyNot(TransferLayout.Of(other)));
        Assert.Contains("tensors", layout.WhyNot(new TransferLayout([.. layout.Tensors.Skip(0).SkipLast(1)])));
    }

    private static Arbitrary<WeightManifest> Manifests() => (
        from run in Gen.Choose(int.MinValue, int.MaxValue)
        from version in Gen.Choose(0, int.MaxValue)
        from tensors in (
            from name in Gen.Elements("a", "model.layers.0.mlp.up_proj.weight", "é", "")
            from type in Gen.Elements(ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16, ScalarType.Float64)
            from shape in Gen.Choose(0, 1000).Select(size => (long)size).ArrayOf(3)
            select new TransferTensor(name, type, shape)).ArrayOf()
        select new WeightManifest(
            new Policy((long)run << 20, new PolicyVersion(version)),
            new TransferLayout(tensors),
            [.. tensors.Select((_, i) => (ulong)run * (ulong)i)])).ToArbitrary();
}
