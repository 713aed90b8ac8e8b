using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using FsCheck.Fluent;
using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights.Transfer;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Weights.Transfer;

public sealed class WeightTransferTests
{
    /// <summary>The longest time between two tries.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task Every_bit_of_every_model_arrives()
    {
        foreach (var config in TinyModels.All)
        {
            await using var rig = new TransferRig(config);
            await rig.TakeAsync(rig.Offer);
            rig.AssertTaken(TransferRig.One);
        }
    }

    [Fact]
    public async Task Of_a_model_with_an_adapter_only_that_travels()
    {
        var lora = new LoraOptions { R = 2, LoraAlpha = 4, TargetModules = ["q_proj", "down_proj"] };
        await using var rig = new TransferRig();
        PeftAdapter.Create(rig.Trainer, lora, "base", seed: 1);
        PeftAdapter.Create(rig.Device.Model, lora, "base", seed: 2);
        using (no_grad())
            rig.Trainer.Adapter!.Tensors[1].Value.add_(1);
        using var receiver = new WeightReceiver(rig.Device.Model, options: TransferRig.Patient);
        var offer = rig.Server.Publish(rig.Trainer, TransferRig.Two);

        using (var staged = await new DeviceIntake(receiver, rig.Device)
            .FetchAsync(offer, TestContext.Current.CancellationToken))
        {
            staged.Apply();
        }

        Assert.Equal(rig.Trainer.LearntParameterCount * sizeof(float), offer.Bytes);
        Assert.InRange(offer.Bytes, 1, rig.Offer.Bytes / 4);
        foreach (var (own, sent) in rig.Device.Model.Adapter!.Tensors.Zip(rig.Trainer.Adapter!.Tensors))
            Assert.True(own.Value.equal(sent.Value).all().item<bool>(), own.Name);
        Assert.Equal(TransferRig.Two.Version, rig.Device.Version);
    }

    [Fact]
    public async Task A_host_without_the_trainers_adapter_refuses_it()
    {
        await using var rig = new TransferRig();
        PeftAdapter.Create(
            rig.Trainer, new LoraOptions { R = 2, LoraAlpha = 4, TargetModules = ["q_proj"] }, "base", seed: 1);
        var offer = rig.Server.Publish(rig.Trainer, TransferRig.Two);

        var failure = await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(offer));

        Assert.Contains("lora_A", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trainer_of_another_type_is_understood()
    {
        await using var rig = new TransferRig(trainerType: ScalarType.BFloat16);

        await rig.TakeAsync(rig.Offer);

        rig.AssertTaken(TransferRig.One);
    }

    [Fact]
    public async Task What_the_trainer_does_after_it_published_is_not_seen()
    {
        await using var rig = new TransferRig();
        using (no_grad())
            rig.Trainer.CheckpointTensors().First().View().add_(1);

        await rig.TakeAsync(rig.Offer);

        using var own = rig.Device.Model.CheckpointTensors().First().View();
        using var changed = rig.Trainer.CheckpointTensors().First().View();
        Assert.True(own.add(1).allclose(changed));
    }

    [Fact]
    public void After_any_number_of_lost_connections_it_goes_on_at_the_byte_where_it_stopped() => Prop.ForAll(
        Gen.Choose(0, 30_000).ArrayOf().Resize(6).ToArbitrary(),
        cuts => RunAsync(async rig =>
        {
            var passed = 0L;        // bytes of weights
            await using var relay = rig.Through(i => i < cuts.Length ? new Fault(CutAfter: cuts[i]) : Fault.None);
            await rig.TakeAsync(relay.Offer);

            rig.AssertTaken(TransferRig.One);
            foreach (var cut in cuts.Take(relay.Connections))
                passed += Math.Min(Math.Max(0, cut - rig.AnswerBytes), rig.Offer.Bytes - passed);
            var preambles = cuts.Take(relay.Connections - 1).Sum(cut => Math.Min(cut, rig.AnswerBytes)) + rig.AnswerBytes;
            Assert.InRange(passed, 0, rig.Offer.Bytes);
            Assert.Equal(preambles + rig.Offer.Bytes, relay.BytesToReceiver);
        })).Holds(runs: 40);

    [Fact]
    public void A_byte_that_changed_on_the_way_is_found_wherever_it_is() => Prop.ForAll(
        (from at in Gen.Choose(0, 20_000)
         from toServer in Gen.Frequency((1, Gen.Constant(true)), (4, Gen.Constant(false)))
         select (At: at, ToServer: toServer)).ToArbitrary(),
        flip => RunAsync(async rig =>
        {
            await using var relay = rig.Through(i => i > 0 ? Fault.None
                : flip.ToServer ? new Fault(FlipToServer: flip.At % TransferProtocol.RequestBytes)
                : new Fault(FlipToReceiver: flip.At));

            await rig.TakeAsync(relay.Offer);

            rig.AssertTaken(TransferRig.One);
        })).Holds(runs: 60);

    [Fact]
    public async Task A_tensor_that_always_arrives_changed_ends_the_transfer_with_its_name()
    {
        await using var rig = new TransferRig();
        var first = rig.Trainer.CheckpointTensors().First().Name;
        await using var relay = rig.Through(_ => new Fault(FlipToReceiver: rig.AnswerBytes + 10));

        var fault = await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(relay.Offer));

        Assert.Contains($"tensor {first} arrived damaged", fault.Message);
        Assert.Contains($"127.0.0.1:{relay.Offer.Port}", fault.Message);
        Assert.Equal(rig.Options.MaxCorruptions, relay.Connections);
        Assert.Equal(9, rig.Device.Version.Value);
    }

    [Fact]
    public async Task A_connection_that_falls_silent_is_given_up_and_the_transfer_goes_on()
    {
        var (time, stall) = (new ManualTime { Skips = Pause }, TimeSpan.FromMinutes(1));
        await using var rig = new TransferRig(
            options: TransferRig.Patient with { Stall = stall, Timeout = TimeSpan.FromDays(30), Time = time });
        await using var relay = rig.Through(
            i => i == 0 ? new Fault(StallAfter: rig.AnswerBytes + 100) : Fault.None);

        var fetch = rig.TakeAsync(relay.Offer);
        await relay.Stalled.Task;
        await time.AdvanceUntilAsync(relay.ReceiverLeft.Task, stall);
        await fetch;

        rig.AssertTaken(TransferRig.One);
        Assert.True(relay.Connections > 1);
    }

    [Fact]
    public async Task A_wrong_token_is_refused()
    {
        await using var rig = new TransferRig();
        var forged = rig.Offer with { Token = new byte[TransferProtocol.TokenBytes] };

        var fault = await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(forged));

        Assert.Contains("does not offer this policy, or not any more", fault.Message);
        Assert.Equal(0, rig.Server.BytesSent);
    }

    [Fact]
    public async Task An_offer_ends_with_the_next_one()
    {
        await using var rig = new TransferRig();
        var next = rig.Server.Publish(rig.Trainer, TransferRig.Two);

        await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(rig.Offer));
        await rig.TakeAsync(next);

        rig.AssertTaken(TransferRig.Two);
    }

    [Fact]
    public async Task Weights_of_another_model_are_refused_with_the_tensor_that_differs()
    {
        await using var rig = new TransferRig();
        using var larger = TinyModels.Random(TinyModels.Qwen3 with { VocabSize = 40 });
        var offer = rig.Server.Publish(larger, TransferRig.Two);

        var fault = await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(offer));

        Assert.Contains(
            "expected model.embed_tokens.weight F32 [37, 16] and got model.embed_tokens.weight F32 [40, 16]",
            fault.Message);
    }

    [Fact]
    public async Task A_server_that_never_answers_costs_the_deadline_and_its_sentence_says_so()
    {
        var time = new ManualTime();
        await using var rig = new TransferRig(
            options: TransferRig.Patient with { Timeout = TimeSpan.FromSeconds(10), Time = time });
        using var mute = new TcpListener(IPAddress.Loopback, 0);
        mute.Start();
        var port = ((IPEndPoint)mute.LocalEndpoint).Port;

        var fetch = rig.TakeAsync(rig.Offer with { Port = port });
        using var accepted = await mute.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        time.Advance(rig.Options.Timeout);
        var fault = await Assert.ThrowsAsync<WeightTransferException>(() => fetch);

        Assert.Contains($"nothing of {rig.Offer.Policy} came from 127.0.0.1:{port} for 00:00:10", fault.Message);
    }

    [Fact]
    public async Task A_slow_transfer_takes_as_long_as_it_needs_while_bytes_come()
    {
        var (time, timeout) = (new ManualTime { Skips = Pause }, TimeSpan.FromHours(1));
        await using var rig = new TransferRig(
            options: TransferRig.Patient with { Timeout = timeout, Stall = 10 * timeout, Greeting = 10 * timeout, Time = time });
        await using var relay = rig.Through(i =>
        {
            time.Advance(0.6 * timeout);        // before each connection
            return i < 20 ? new Fault(CutAfter: rig.AnswerBytes + 500) : Fault.None;
        });

        await rig.TakeAsync(relay.Offer);

        rig.AssertTaken(TransferRig.One);
        Assert.Equal(21, relay.Connections);
    }

    [Fact]
    public async Task A_server_that_is_gone_costs_the_deadline_and_its_sentence_says_why()
    {
        await using var rig = new TransferRig(options: TransferRig.Patient with
        {
            Timeout = TimeSpan.FromSeconds(10),
            Time = new ManualTime { Skips = Pause },
        });
        // Taken, so that nobody else listens at it.
        using var silent = new Socket(SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var gone = rig.Offer with { Port = ((IPEndPoint)silent.LocalEndPoint!).Port };

        var fault = await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(gone));

        Assert.Contains("refused", fault.Message);
    }

    [Fact]
    public async Task A_reader_that_does_not_read_costs_no_memory_and_holds_up_nobody()
    {
        // 40 MB: more than any socket buffer takes.
        await using var rig = new TransferRig(
            TinyModels.Llama with { VocabSize = 625_000 }, TransferRig.Patient with { ChunkBytes = 1 << 20 });
        using var lazy = new TcpClient("127.0.0.1", rig.Offer.Port);
        await lazy.GetStream().WriteAsync(TransferProtocol.Request(rig.Offer.Token, default));
        await lazy.GetStream().ReadExactlyAsync(new byte[1]);

        await rig.TakeAsync(rig.Offer);
        Assert.InRange(rig.Server.BytesSent, rig.Offer.Bytes, 2 * rig.Offer.Bytes - 1);

        // The copy that the lazy one holds on to is taken away from it.
        var next = rig.Server.Publish(rig.Trainer, TransferRig.Two);
        await rig.TakeAsync(next);
        rig.AssertTaken(TransferRig.Two);
        Assert.InRange(await DrainAsync(lazy), 0, rig.Offer.Bytes - 1);
    }

    [Fact]
    public async Task A_reader_that_does_not_read_is_dropped()
    {
        var time = new ManualTime();
        await using var rig = new TransferRig(
            TinyModels.Llama with { VocabSize = 625_000 }, TransferRig.Patient with { ChunkBytes = 1 << 20, Time = time });
        using var lazy = new TcpClient("127.0.0.1", rig.Offer.Port);
        await lazy.GetStream().WriteAsync(TransferProtocol.Request(rig.Offer.Token, default));
        await lazy.GetStream().ReadExactlyAsync(new byte[1]);

        // A deadline's timer ends with the deadline.
        await time.AdvanceUntilAsync(time.DisposedAsync(), rig.Options.Stall);

        Assert.InRange(await DrainAsync(lazy), 0, rig.Offer.Bytes - 1);
    }

    [Fact]
    public async Task Connections_that_say_nothing_keep_no_receiver_out_and_cost_one_line()
    {
        var lines = new ConcurrentQueue<string>();
        await using var rig = new TransferRig(
            options: TransferRig.Patient with { Time = new ManualTime() }, warn: lines.Enqueue);
        var idle = new List<TcpClient>();
        for (var i = 0; i < 300; i++)
            idle.Add(new TcpClient("127.0.0.1", rig.Offer.Port));

        await rig.TakeAsync(rig.Offer);

        rig.AssertTaken(TransferRig.One);
        Assert.InRange(rig.Server.Connections, 0, rig.Options.Connections.StrangersOfAddress + 1);
        var line = Assert.Single(lines);
        Assert.Contains($"connections to 127.0.0.1:{rig.Offer.Port} (rollout.barrier.transfer-port) were closed", line);
        idle.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task A_connection_that_says_nothing_is_closed_after_the_time_of_a_greeting()
    {
        await using var rig = new TransferRig(
            options: TransferRig.Patient with { Greeting = TimeSpan.FromMilliseconds(50) });
        using var idle = new TcpClient("127.0.0.1", rig.Offer.Port);

        Assert.Equal(0, await idle.GetStream().ReadAsync(new byte[1], TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_port_that_is_taken_is_one_sentence()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        var fault = Assert.Throws<WeightTransferException>(() => new WeightServer("127.0.0.1", port));

        Assert.Contains($"weights can't be offered at 127.0.0.1:{port}", fault.Message);
    }

    private static bool RunAsync(Func<TransferRig, Task> test)
    {
        Task.Run(async () =>
        {
            await using var rig = new TransferRig();
            await test(rig);
        }).GetAwaiter().GetResult();
        return true;
    }

    /// <summary>Bytes that still come, until the other side has closed.</summary>
    private static async Task<long> DrainAsync(TcpClient client)
    {
        var (total, buffer) = (0L, new byte[1 << 16]);
        try
        {
            while (await client.GetStream().ReadAsync(buffer) is > 0 and var count)
                total += count;
        }
        catch (IOException)
        {
        }
        return total;
    }
}
