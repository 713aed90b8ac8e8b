using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Rollout.Gpu.Weights.Transfer;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Weights.Transfer;

/// <summary>A trainer's weights behind a server, and a decoder host that has other weights of the same shape.</summary>
internal sealed class TransferRig : IAsyncDisposable
{
    public static readonly Policy One = new(Run: 77, new PolicyVersion(1));
    public static readonly Policy Two = One with { Version = new PolicyVersion(2) };

    /// <summary>No limit is reached by a machine that is slow. A test shortens, or controls, the time that it is about.</summary>
    public static readonly TransferOptions Patient = new()
    {
        ChunkBytes = 500,
        Timeout = TimeSpan.FromHours(1),
        Stall = TimeSpan.FromHours(1),
        Greeting = TimeSpan.FromHours(1),
    };

    private readonly CausalLm _published;

    public TransferRig(
        ModelConfig? config = null,
        TransferOptions? options = null,
        TransferSecurity? serverSecurity = null,
        TransferSecurity? receiverSecurity = null,
        ScalarType trainerType = ScalarType.Float32,
        Action<string>? warn = null)
    {
        Options = options ?? Patient;
        config ??= TinyModels.Qwen3;
        _published = TinyModels.Random(config, seed: 5, trainerType);
        Server = new WeightServer("127.0.0.1", 0, serverSecurity, Options, warn);
        Device = new PolicyWeights(TinyModels.Random(config, seed: 6), new PolicyVersion(9));
        Receiver = new WeightReceiver(TransferLayout.Of(Device.Model), receiverSecurity, Options);
        Offer = Server.Publish(_published, One);
    }

    public TransferOptions Options { get; }

    public WeightServer Server { get; }

    /// <summary>The trainer's model.</summary>
    public CausalLm Trainer => _published;

    /// <summary>The decoder's.</summary>
    public PolicyWeights Device { get; }

    public WeightReceiver Receiver { get; }

    public DeviceIntake Intake => new(Receiver, Device);

    /// <summary>Of policy 1.</summary>
    public WeightOffer Offer { get; }

    /// <summary>Bytes that precede the weights on every connection.</summary>
    public long AnswerBytes => TransferProtocol.AnswerBytes
        + new WeightManifest(
            One, TransferLayout.Of(_published), new ulong[TransferLayout.Of(_published).Tensors.Count]).Encode().Length;

    public FaultyRelay Through(Func<int, Fault> faultOf) => new(Offer, faultOf);

    /// <summary>Fetches and applies.</summary>
    public async Task TakeAsync(WeightOffer offer)
    {
        using var staged = await Intake.FetchAsync(offer, TestContext.Current.CancellationToken);
        staged.Apply();
    }

    /// <summary>The decoder's weights are the trainer's, to the last bit, under the offer's version.</summary>
    public void AssertTaken(Policy policy)
    {
        Assert.Equal(policy.Version, Device.Version);
        using var scope = NewDisposeScope();
        foreach (var (own, other) in Device.Model.CheckpointTensors().Zip(_published.CheckpointTensors()))
            Assert.True(own.View().allclose(other.View().to(own.Storage.dtype), rtol: 0, atol: 0), $"{own.Name} differs");
    }

    public async ValueTask DisposeAsync()
    {
        Receiver.Dispose();
        await Server.DisposeAsync();
        Device.Dispose();
        _published.Dispose();
    }
}
